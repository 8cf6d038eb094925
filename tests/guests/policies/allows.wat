;; Allows everything, as the preamble does.
