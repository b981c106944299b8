// One connection's state: frames in and out, open calls, credit. Knows nothing of sockets, and leaves what the requests
// mean to its Requests: the fuzz target drives it with made-up ones.
#pragma once

#include "agent/protocol.hpp"
#include "agent/system.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace sandboxd::agent {

class Session;

// A call that lasts. Deleted after its answer, or with the session.
class Call {
 public:
  virtual ~Call() = default;
  [[nodiscard]] virtual bool takes_data() const { return false; }
  virtual void on_data(std::string_view) {}
  virtual void on_eof() {}
  virtual void on_cancel(class Channel& channel);
  // One slice of work, after Channel::wake() or new credit. True: there is more to do that needs no event.
  virtual bool step(class Channel& channel) = 0;
};

// The session's side of one call.
class Channel {
 public:
  Channel(Session& session, std::uint32_t number) : session_(session), number_(number) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // How many bytes of data may be sent now; woken when there is more.
  [[nodiscard]] std::size_t room();
  // `charge`: how many bytes of the credit it costs; at most room().
  void send(std::string_view payload, std::size_t charge);
  // The same of a payload in two parts, which need not be copied together first.
  void send(std::string_view head, std::string_view payload, std::size_t charge);
  void send_eof();
  void send_cancel();
  // So many bytes of the other side's data are done with.
  void consumed(std::size_t bytes);
  void wake();

  template <class T>
  void reply(const T& message) {
    answer(Type::reply, encode(message));
  }
  void fail(const Problem& problem) { answer(Type::failed, encode(Failed{problem.error, problem.text})); }
  [[nodiscard]] bool is_answered() const { return is_answered_; }

  void set_call(std::unique_ptr<Call> call) { call_ = std::move(call); }

 private:
  friend class Session;
  void answer(Type type, std::string_view payload);

  Session& session_;
  std::uint32_t number_;
  std::unique_ptr<Call> call_;
  std::uint64_t may_send_ = kCreditStart;
  std::uint64_t may_come_ = kCreditStart;
  std::uint64_t to_grant_ = 0;
  bool is_at_eof_ = false;
  bool is_answered_ = false;
  bool is_awake_ = false;
  bool is_starved_ = false;
};

class Requests {
 public:
  virtual ~Requests() = default;
  // Answers at once or sets a call. False: the payload is no such message, or the type no request.
  [[nodiscard]] virtual bool open(Type type, std::string_view payload, Channel& channel) = 0;
};

class Session {
 public:
  explicit Session(Requests& requests) : requests_(requests) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Bytes from the node. False: they break a rule, and the session is over.
  [[nodiscard]] bool feed(std::string_view bytes);
  // One slice of every call that has something to do. True: some have more.
  [[nodiscard]] bool step();

  template <class T>
  void send_event(Type type, const T& message) {
    put(type, 0, encode(message));
  }
  // What is to be sent, and that so much of it was.
  [[nodiscard]] std::string_view outbox() const { return std::string_view(out_).substr(out_offset_); }
  void sent(std::size_t bytes);
  // Enough is waiting to be sent: the node gets no more attention until it reads.
  [[nodiscard]] bool is_clogged() const { return outbox().size() > 2 * kFrameBytesMax; }
  [[nodiscard]] std::size_t open_calls() const { return channels_.size(); }

 private:
  friend class Channel;
  static constexpr std::size_t kOutboxBytes = 256 * 1024;  // calls send no more data then

  [[nodiscard]] bool take(const Header& header, std::string_view payload);
  [[nodiscard]] bool take_data(Channel& channel, std::string_view payload);
  [[nodiscard]] static bool take_eof(Channel& channel, std::string_view payload);
  [[nodiscard]] static bool take_credit(Channel& channel, std::string_view payload);
  [[nodiscard]] bool take_request(const Header& header, std::string_view payload);
  void put(Type type, std::uint32_t call, std::string_view payload = {}) { put(type, call, {}, payload); }
  void put(Type type, std::uint32_t call, std::string_view head, std::string_view payload);
  void drop_answered();

  Requests& requests_;
  std::string in_;
  std::string out_;
  std::size_t out_offset_ = 0;
  std::map<std::uint32_t, std::unique_ptr<Channel>> channels_;
  std::deque<std::uint32_t> awake_;
  std::deque<std::uint32_t> answered_;
  std::deque<std::uint32_t> starved_;  // wait for the outbox to empty
};

}  // namespace sandboxd::agent
