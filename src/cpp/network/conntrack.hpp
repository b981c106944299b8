// Forgets the connections of an address, so that the next sandbox with it does not inherit their translations.
#pragma once

#include "network/address.hpp"

namespace sandboxd::network {

// Connections that `address` opened or that were translated to it. Best effort: kernels before 6.8 cannot select by
// address and do nothing. (No traffic passes because of a stale entry: every packet is judged by the sets, and answers
// to a connection of an earlier owner are refused by the new owner's kernel.)
void forget_connections(Ipv4 address);

}  // namespace sandboxd::network
