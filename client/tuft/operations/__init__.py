"""What a service needs around its requests: a result cache, rollouts, experiments, telemetry. Each is a runner or an observer."""
