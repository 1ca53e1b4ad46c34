"""Pure decisions: no await, clock, chance or socket."""
