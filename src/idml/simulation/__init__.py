"""Who meets whom, and how a run is played: contacts, adversaries, and the engine that drives roles and ledger."""
