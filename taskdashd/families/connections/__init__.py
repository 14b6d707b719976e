"""Operations by which a connection introduces itself, signs in and watches changes."""
