//! What tests share: a program under test in an environment of its own, and API servers that misbehave on demand.
