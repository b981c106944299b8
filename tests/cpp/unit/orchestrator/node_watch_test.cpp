// What the control plane reads of a node's watch stream over HTTP.
#include "orch/http_node_transport.hpp"
#include "unit/http/client_fixture.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>

namespace sandboxd::orch {
namespace {

using http::test::ScriptedServer;

class NodeWatchTest : public http::test::ClientTest {
 protected:
  Result<std::unique_ptr<ports::NodeWatch>> open_watch(ScriptedServer& node) {
    transport_ = std::make_unique<HttpNodeTransport>(*client, "", NodeCallLimits{});
    return run(transport_->watch({"127.0.0.1", node.port()}));
  }

  static std::string stream_of(const std::string& events) {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: " + std::to_string(events.size()) +
           "\r\n\r\n" + events;
  }

  std::unique_ptr<HttpNodeTransport> transport_;
};

constexpr const char* kGone = "event: gone\ndata: {\"id\":\"a\",\"uid\":\"u\"}\n\n";
constexpr const char* kEnd = "event: snapshot_end\ndata: {}\n\n";

TEST_F(NodeWatchTest, events_that_came_together_are_ready_in_their_order) {
  ScriptedServer node([](ScriptedServer& server) {
    auto peer = server.accept();
    peer.read_header();
    peer.send(stream_of(std::string(kGone) + "event: of_the_future\ndata: 1\n\n" + kEnd));
  });
  auto watch = open_watch(node);
  ASSERT_TRUE(watch) << watch.error().message();
  EXPECT_FALSE((*watch)->ready());
  const auto first = run((*watch)->next());
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(std::get<ports::NodeSandboxGone>(*first).id, SandboxId("a"));
  const auto second = (*watch)->ready();
  ASSERT_TRUE(second);
  EXPECT_TRUE(std::holds_alternative<ports::NodeSnapshotEnd>(*second));
  EXPECT_FALSE((*watch)->ready());
  EXPECT_EQ(run((*watch)->next()).error().code(), ErrorCode::unavailable);
}

TEST_F(NodeWatchTest, an_event_that_cannot_be_read_ends_the_stream_after_those_before_it) {
  ScriptedServer node([](ScriptedServer& server) {
    auto peer = server.accept();
    peer.read_header();
    peer.send(stream_of(std::string(kGone) + "event: sandbox\ndata: nonsense\n\n" + kEnd));
  });
  auto watch = open_watch(node);
  ASSERT_TRUE(watch) << watch.error().message();
  EXPECT_TRUE(run((*watch)->next()));
  EXPECT_FALSE((*watch)->ready());
  EXPECT_EQ(run((*watch)->next()).error().code(), ErrorCode::protocol_error);
  EXPECT_FALSE((*watch)->ready()) << "nothing behind a hole";
}

}  // namespace
}  // namespace sandboxd::orch
