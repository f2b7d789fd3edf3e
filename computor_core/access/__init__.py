"""Access: actions, roles and rules as SQL predicates, and what is asked of them."""
