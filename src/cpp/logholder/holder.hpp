// The log holder: reads what containers print and writes it to files, in a process of its own, so that a node agent
// that is down, busy or being replaced never blocks a workload. One thread around epoll; no lock, no Asio.
//
// Limits: clients, command length, and per container the size of its log. Commands come from the node agent over a unix
// socket that only its user can open; names in them are checked all the same before they become paths.
#pragma once

#include "base/result.hpp"
#include "logholder/container_log.hpp"
#include "logholder/file.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace sandboxd::logholder {

struct HolderOptions {
  std::string run_dir;   // socket, lock and FIFOs
  std::string data_dir;  // log files
};

class Holder {
 public:
  // Takes the lock and binds the socket. Errors: conflict when another holder has the lock.
  [[nodiscard]] static Result<std::unique_ptr<Holder>> make(HolderOptions options);
  ~Holder();

  // Until SIGTERM or a shutdown command. What waits for a line end is written out then.
  void run();

 private:
  struct Client {
    File socket;
    std::string input;
    std::string output;
  };
  using LogKey = std::pair<std::string, std::string>;  // sandbox, container
  struct Watched {
    enum class Kind { listener, signals, client, fifo } kind = Kind::client;
    LogKey log;
    std::size_t stream = 0;
  };

  explicit Holder(HolderOptions options) : options_(std::move(options)) {}
  Result<void> set_up();
  Result<void> watch(int fd, Watched what);
  void accept_client();
  void serve(int fd, std::uint32_t events);
  void close_client(int fd);
  bool flush(Client& client);
  boost::json::object answer(const std::string& line);
  Result<boost::json::object> execute(const boost::json::object& command);
  Result<boost::json::object> open_log(const std::string& sandbox, const std::string& container,
                                       std::int64_t bytes_max);
  Result<void> remove_logs(const std::string& sandbox);
  boost::json::object list_logs() const;

  HolderOptions options_;
  File lock_;
  File listener_;
  File signals_;
  File epoll_;
  File io_directory_;
  File log_directory_;
  std::map<int, Watched> watched_;
  std::map<int, Client> clients_;
  std::map<LogKey, ContainerLog> logs_;
  bool ending_ = false;
};

}  // namespace sandboxd::logholder
