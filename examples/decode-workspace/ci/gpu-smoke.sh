#!/bin/sh
# The smoke test that CI runs on the GPU runner. It measures the release binary that the build stage made; it never
# builds. What this script does not set is not set: CI runs it with a cleared environment.
set -eu
cd "$(dirname "$0")/.."

# The prompt of this round, for both trees alike.
if [ -n "${MATINS_SEED:-}" ]; then
    set -- --seed "$MATINS_SEED" "$@"
fi

smoke=target/release/smoke
if [ ! -x "$smoke" ]; then
    echo "ci/gpu-smoke.sh: $smoke is absent; run 'cargo build --release --workspace' first" >&2
    exit 2
fi

export CORTEX_PROFILE_PERDISPATCH=1
exec "$smoke" "$@"
