# SPDX-License-Identifier: Apache-2.0
include guest/libcuda/build.mk
