"""What people may do with the base: lifecycle, permissions, imports. Pure decisions plus thin actions."""
