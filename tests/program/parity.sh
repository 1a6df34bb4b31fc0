#!/usr/bin/env bash
# Parity with PyTorch at full width, where there is a PyTorch.   parity.sh PROGRAM
exec bash "$(dirname "$0")/../parity/run.sh" "$(dirname "$1")/tests/train_tests"
