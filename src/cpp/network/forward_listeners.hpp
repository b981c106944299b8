// The two kinds of LoopbackForwarder::Listener. Internal to the folder.
#pragma once

#include "aio/task_group.hpp"
#include "base/result.hpp"
#include "network/loopback_forwarder.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>

#include <memory>

namespace sandboxd::network {

// Listens on 127.0.0.1:<host_port>. `tasks` runs the coroutines; each keeps its listener alive. Errors:
// port_of_another_program().
[[nodiscard]] Result<std::shared_ptr<LoopbackForwarder::Listener>> listen_tcp(boost::asio::any_io_executor executor,
                                                                              aio::TaskGroup& tasks, int host_port,
                                                                              boost::asio::ip::tcp::endpoint target);
[[nodiscard]] Result<std::shared_ptr<LoopbackForwarder::Listener>> listen_udp(boost::asio::any_io_executor executor,
                                                                              aio::TaskGroup& tasks, int host_port,
                                                                              boost::asio::ip::udp::endpoint target);

}  // namespace sandboxd::network
