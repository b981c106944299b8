// The agents of this machine's containers over unix sockets (agent/protocol.hpp says what is spoken).
//
// Whoever connects to a container's socket is something inside that container, as root there: mostly its agent, but
// nothing stops the sandbox's own root user. All that such a peer can do is to answer wrongly for its own sandbox. A
// connection that says hello takes the place of the one before; unfinished ones are few, short-lived and paced; what an
// agent can make the node hold is bounded per container (link.hpp), and what it sends too fast waits in its socket.
//
// Core thread; file work is done on a thread of its own.
#pragma once

#include "aio/blocking_pool.hpp"
#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "guestlink/connection.hpp"
#include "guestlink/directories.hpp"
#include "ports/clock.hpp"
#include "ports/guest_agents.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::guestlink {

struct Options {
  std::string run_dir;
  std::string program;                                    // sandboxd-agent
  Duration reconnect_wait = std::chrono::seconds(2);      // of a call whose agent is not connected
  Duration hello_limit = std::chrono::seconds(5);         // of a connection, to say hello
  Duration reply_limit = std::chrono::seconds(30);        // of what takes no time by itself
  Duration work_limit = std::chrono::minutes(10);         // of what may take long, such as removing a tree
  Duration accept_pause = std::chrono::milliseconds(10);  // between two connections of one container
};

class GuestAgents final : public ports::GuestAgents {
 public:
  GuestAgents(boost::asio::any_io_executor executor, ports::Clock& clock, Options options);
  ~GuestAgents() override;

  // Ends every connection and every wait. Agents go on, and connect to the next node agent.
  [[nodiscard]] Task<void> stop();

  [[nodiscard]] Task<Result<ports::BindMount>> prepare(std::string key) override;
  [[nodiscard]] Task<Result<void>> set_up(std::string key, ports::GuestSetup setup) override;
  [[nodiscard]] Task<Result<void>> adopt(std::string key) override;
  [[nodiscard]] Task<Result<void>> forget(std::string key) override;
  [[nodiscard]] Task<Result<std::vector<std::string>>> list() override;
  [[nodiscard]] Task<Result<ports::GuestStart>> wait_connected(std::string key, Duration limit) override;
  [[nodiscard]] Task<Result<ports::GuestEvent>> next_event() override;

  [[nodiscard]] Task<Result<ports::GuestCommandState>> start(std::string key, model::CommandSpec spec) override;
  [[nodiscard]] Task<Result<std::vector<ports::GuestCommandState>>> commands(std::string key) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestAttachment>>> attach(std::string key,
                                                                             ports::GuestAttach how) override;
  [[nodiscard]] Task<Result<ports::GuestStarted>> start_attached(std::string key, model::CommandSpec spec,
                                                                 ports::GuestAttach how) override;
  [[nodiscard]] Task<Result<void>> signal(std::string key, std::string command, int number, bool group) override;
  [[nodiscard]] Task<Result<void>> resize(std::string key, std::string command, model::TerminalSize size) override;
  [[nodiscard]] Task<Result<void>> drop(std::string key, std::string command) override;

  [[nodiscard]] Task<Result<model::FileInfo>> stat(std::string key, ports::GuestPath path, bool follow) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestReader>>> read(std::string key, ports::GuestPath path,
                                                                       std::uint64_t offset,
                                                                       std::uint64_t length) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestWriter>>> write(std::string key, ports::GuestPath path,
                                                                        std::uint32_t mode, bool parents) override;
  [[nodiscard]] Task<Result<std::vector<model::FileInfo>>> list_files(std::string key, ports::GuestPath path,
                                                                      std::uint32_t depth) override;
  [[nodiscard]] Task<Result<model::FileInfo>> make_directory(std::string key, ports::GuestPath path, std::uint32_t mode,
                                                             bool parents) override;
  [[nodiscard]] Task<Result<void>> remove(std::string key, ports::GuestPath path, bool recursive) override;
  [[nodiscard]] Task<Result<model::FileInfo>> rename(std::string key, ports::GuestPath from, std::string to) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestReader>>> pack(std::string key, ports::GuestPath path) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestWriter>>> unpack(std::string key,
                                                                         ports::GuestPath path) override;

  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestWatch>>> watch(std::string key, ports::GuestPath path,
                                                                       bool recursive) override;
  [[nodiscard]] Task<Result<std::vector<ports::GuestPort>>> listening_ports(std::string key) override;
  [[nodiscard]] Task<Result<std::vector<ports::GuestProcess>>> processes(std::string key) override;

 private:
  struct Guest;
  using GuestPtr = std::shared_ptr<Guest>;
  // A reply with the connection that it came over: a malformed one ends that.
  struct Reply {
    ConnectionPtr connection;
    std::string payload;
  };
  struct OpenCall {
    ConnectionPtr connection;
    CallPtr call;
  };

  [[nodiscard]] Result<GuestPtr> find(const std::string& key) const;
  Task<Result<void>> listen(std::string key);
  Task<void> accept(GuestPtr guest);
  Task<void> serve(GuestPtr guest, Connection::Socket socket);
  Connection::Events events_of(const GuestPtr& guest);
  void greet(Guest& guest, const ConnectionPtr& connection, const agent::Hello& hello);
  void push(const GuestPtr& guest, ports::GuestEvent event);
  Task<void> wait_for_room(GuestPtr guest);
  void unlist(const std::string& key);

  Task<Result<ConnectionPtr>> connected(std::string key, Duration limit);
  Task<Result<OpenCall>> open(std::string key, agent::Type request, std::string payload);
  Task<Result<void>> wait_over(CallPtr call, Duration limit);
  Task<Result<Reply>> ask(std::string key, agent::Type request, std::string payload, Duration limit);
  template <class Message>
  Task<Result<Message>> ask_for(std::string key, agent::Type request, std::string payload, Duration limit);
  Task<Result<model::FileInfo>> ask_for_file(std::string key, agent::Type request, std::string payload);
  Task<Result<std::unique_ptr<ports::GuestReader>>> open_reader(std::string key, agent::Type request,
                                                                std::string payload);
  Task<Result<std::unique_ptr<ports::GuestWriter>>> open_writer(std::string key, agent::Type request,
                                                                std::string payload);

  boost::asio::any_io_executor executor_;
  ports::Clock& clock_;
  Options options_;
  Directories directories_;
  aio::BlockingPool files_{1};
  std::map<std::string, GuestPtr> guests_;
  std::deque<std::pair<GuestPtr, ports::GuestEvent>> events_;
  aio::Notifier has_events_;
  aio::TaskGroup tasks_;
};

}  // namespace sandboxd::guestlink
