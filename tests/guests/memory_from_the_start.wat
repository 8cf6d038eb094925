;; Asks for 2 GiB before anything of it runs.
(memory $memory (export "memory") 32768)
