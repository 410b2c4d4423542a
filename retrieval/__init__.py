"""A question in, ranked entries and a calibrated confidence out. No web, no ORM session."""
