"""Local accounts for Computor: Argon2id passwords."""
