"""Operations of a service: result cache, rollouts, experiments and telemetry. Each is a runner or an observer."""
