"""Damaged and lying inputs, kills, full disks, hostile files: what must never lose or invent a number."""
