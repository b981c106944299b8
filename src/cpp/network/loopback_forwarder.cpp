#include "network/loopback_forwarder.hpp"

#include "model/host_port.hpp"
#include "network/forward_listeners.hpp"

#include <boost/asio/ip/address.hpp>

namespace sandboxd::network {

namespace asio = boost::asio;

Error port_in_use(int host_port, model::Protocol protocol, std::string_view cause) {
  return Error(ErrorCode::resource_exhausted, model::host_port_in_use(host_port, protocol, cause));
}

Error port_of_another_program(int host_port, model::Protocol protocol, const std::string& cause) {
  return Error(ErrorCode::conflict, model::host_port_in_use(host_port, protocol, "bind: " + cause));
}

LoopbackForwarder::LoopbackForwarder(asio::any_io_executor executor) : executor_(executor), tasks_(executor) {}

LoopbackForwarder::~LoopbackForwarder() {
  for (auto& [key, entry] : entries_) entry.listener->close();
}

Result<void> LoopbackForwarder::open(const model::PublishedPort& port, const std::string& ip) {
  const std::pair<model::Protocol, int> key{port.protocol, port.host_port};
  const auto known = entries_.find(key);
  if (known != entries_.end()) {
    if (known->second.ip == ip && known->second.container_port == port.container_port) return {};
    close(port.host_port, port.protocol);
  }
  boost::system::error_code failure;
  const auto address = asio::ip::make_address_v4(ip, failure);
  if (failure) return Error(ErrorCode::invalid_argument, "\"" + ip + "\" is not an IPv4 address");
  const auto target_port = static_cast<std::uint16_t>(port.container_port);
  auto listener = port.protocol == model::Protocol::tcp
                      ? listen_tcp(executor_, tasks_, port.host_port, asio::ip::tcp::endpoint(address, target_port))
                      : listen_udp(executor_, tasks_, port.host_port, asio::ip::udp::endpoint(address, target_port));
  if (!listener) return std::move(listener).error();
  Entry entry;
  entry.ip = ip;
  entry.container_port = port.container_port;
  entry.listener = *std::move(listener);
  entries_[key] = std::move(entry);
  return {};
}

void LoopbackForwarder::close(int host_port, model::Protocol protocol) {
  const auto found = entries_.find({protocol, host_port});
  if (found == entries_.end()) return;
  found->second.listener->close();
  entries_.erase(found);
}

bool LoopbackForwarder::is_open(int host_port, model::Protocol protocol) const {
  return entries_.contains({protocol, host_port});
}

Task<void> LoopbackForwarder::stop() {
  for (auto& [key, entry] : entries_) entry.listener->close();
  entries_.clear();
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace sandboxd::network
