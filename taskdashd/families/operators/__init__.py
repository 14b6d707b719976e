"""Operations for operators: the daemon's own state, and the audit."""
