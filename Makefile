# SPDX-License-Identifier: Apache-2.0
include guest/libcuda/build.mk
include guest/libnvidia-ml/build.mk
