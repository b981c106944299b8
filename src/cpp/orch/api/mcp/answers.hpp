// The body that answers one POST: the answer to each of its requests, as it is there, and signs of life until then.
#pragma once

#include "http/message.hpp"
#include "orch/api/mcp/calls.hpp"
#include "orch/api/mcp/offer.hpp"
#include "orch/api/mcp/rpc.hpp"
#include "orch/api/mcp/sessions.hpp"
#include "ports/clock.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::orch::mcp {

// How often a client is told that its call goes on.
struct Intervals {
  Duration progress = std::chrono::seconds(1);     // to those who asked for progress
  Duration keep_alive = std::chrono::seconds(15);  // to all others, as a comment
};

class Answers final : public http::BodyStream {
 public:
  // `session` may be null.
  Answers(std::shared_ptr<const Offer> offer, std::shared_ptr<Calls> calls, ports::Clock& clock, SessionRef session,
          std::vector<Message> requests, Intervals intervals);
  // The client has it all, or is gone: then nobody waits for the rest.
  ~Answers() override;

  Task<std::optional<std::string>> next() override;

 private:
  struct Item {
    Message request;
    std::string key;           // of its id
    codec::json::value token;  // of its progress; null for none
    std::shared_ptr<Call> call;
    std::int64_t told = -1;  // of its progress, which only grows
  };

  void begin(Item& item);
  std::string tick(Item& item);
  [[nodiscard]] Progress progress_of(const Item& item) const;
  void forget(const Item& item);

  std::shared_ptr<const Offer> offer_;
  std::shared_ptr<Calls> calls_;
  ports::Clock& clock_;
  SessionRef session_;
  Busy busy_;
  Intervals intervals_;
  std::vector<Item> items_;
  std::size_t at_ = 0;
  bool is_begun_ = false;  // the one at `at_`
  MonoTime begun_at_;
  MonoTime tick_at_;
};

[[nodiscard]] std::string sse_of(const codec::json::object& message);

}  // namespace sandboxd::orch::mcp
