"""Random faults on a real orchestrator and real runners, and the checker that reads what the runners wrote down."""
