#!/usr/bin/env bash
# Writes the digest of a model repository into kustomization.yaml, so that pods serve these models and no others:
#
#     deploy/kubernetes/pin.sh [model_repository]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

FILE=deploy/kubernetes/kustomization.yaml

report=$(python3 -I -S -B deploy/verify.py "${1:-model_repository}")
digest=${report##*digest }
[[ $digest =~ ^[0-9a-f]{64}$ ]] || { echo "pin.sh: verify.py printed no digest." >&2; exit 1; }

pinned=$(sed -E "s/(literals: \[digest=)[0-9a-f]*\]/\1$digest]/" "$FILE")
printf '%s\n' "$pinned" >"$FILE"
echo "$FILE: digest $digest"
