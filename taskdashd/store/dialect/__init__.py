"""The engines that a store stands on: what each says in its own way, behind one port."""
