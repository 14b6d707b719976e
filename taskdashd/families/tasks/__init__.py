"""Operations on tasks that services run: register, update, find."""
