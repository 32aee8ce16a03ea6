/* SPDX-License-Identifier: Apache-2.0 */
/*
 * algorithm_id - a signature's name inside certificates and signed messages
 */
#pragma once

#include "base/util.h"
#include "client/lib/keysvc.h"

/* DER of the AlgorithmIdentifier; NULL for DEFAULT and COUNT. */
const uint8_t *algorithm_id(enum ks_algorithm algorithm, size_t *len);
