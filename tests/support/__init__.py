"""What several tests share: pictures with known answers, and the oracles."""
