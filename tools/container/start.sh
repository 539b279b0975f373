#!/bin/sh
# In a container: a learner's lab in the home folder, then the server that the hub, or a person, asked for.
set -e
[ "$(id -u)" != 0 ] || { echo "This is started as a learner, never as root." >&2; exit 1; }
cd "$HOME"
usbook lab --no-start
if [ -n "$JUPYTERHUB_API_TOKEN" ]; then
  exec jupyterhub-singleuser --ip=0.0.0.0 --port=8888 --notebook-dir="$HOME/usbook-lab" "$@"
fi
exec usbook lab -- --ip=0.0.0.0 --port=8888 --no-browser "$@"
