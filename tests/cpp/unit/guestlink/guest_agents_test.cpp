// With a peer on the real socket that does what a test wants it to.
#include "guestlink/guest_agents.hpp"

#include "aio/system_clock.hpp"
#include "guestlink/call.hpp"
#include "support/run_task.hpp"
#include "support/temp_dir.hpp"

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace sandboxd::guestlink {
namespace {

using agent::Type;

// Blocking; used from a thread of its own, or between the runs of the context.
class Peer {
 public:
  explicit Peer(const std::string& directory) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = directory + "/agent.sock";
    std::copy(path.begin(), path.end(), address.sun_path);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Peer() { ::close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void send(Type type, std::uint32_t call, std::string_view payload) const {
    const std::string bytes = agent::encode_frame(type, call, payload);
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void hello(std::uint64_t life = 1) const {
    agent::Hello hello;
    hello.life = life;
    send(Type::hello, 0, agent::encode(hello));
  }
  // The next frame; nothing at the end.
  std::optional<std::pair<agent::Header, std::string>> receive() const {
    std::string head(agent::kHeaderBytes, '\0');
    if (::recv(fd_, head.data(), head.size(), MSG_WAITALL) != static_cast<ssize_t>(head.size())) return std::nullopt;
    const auto header = agent::decode_header(head);
    std::string payload(header->length, '\0');
    if (!payload.empty()) EXPECT_EQ(::recv(fd_, payload.data(), payload.size(), MSG_WAITALL), ssize_t(payload.size()));
    return std::pair{*header, payload};
  }

 private:
  int fd_;
};

class GuestAgentsTest : public testing::Test {
 protected:
  GuestAgentsTest() {
    std::ofstream(dir_.path() + "/program") << "program";
    Options options;
    options.run_dir = dir_.path();
    options.program = dir_.path() + "/program";
    options.reconnect_wait = std::chrono::milliseconds(200);
    options.hello_limit = std::chrono::milliseconds(100);
    options.accept_pause = std::chrono::milliseconds(0);
    agents_ = std::make_unique<GuestAgents>(context_.get_executor(), clock_, options);
    EXPECT_TRUE(test::run_task(context_, agents_->prepare("box")));
  }
  ~GuestAgentsTest() override { test::run_task(context_, agents_->stop()); }

  std::string directory() const { return dir_.path() + "/agents/box"; }
  void wait_connected() {
    const auto start = test::run_task(context_, agents_->wait_connected("box", std::chrono::seconds(10)));
    EXPECT_TRUE(start);
    EXPECT_TRUE(std::holds_alternative<ports::GuestConnected>(*test::run_task(context_, agents_->next_event())));
  }

  test::TempDir dir_;
  boost::asio::io_context context_;
  aio::SystemClock clock_;
  std::unique_ptr<GuestAgents> agents_;
};

TEST_F(GuestAgentsTest, ARequestIsAnswered) {
  const Peer peer(directory());
  peer.hello();
  wait_connected();
  std::thread answers([&peer] {
    const auto request = peer.receive();
    EXPECT_EQ(request->first.type, Type::start);
    const auto start = agent::decode<agent::Start>(request->second);
    EXPECT_EQ(start->argv, std::vector<std::string>{"true"});
    peer.send(Type::reply, request->first.call, agent::encode(agent::Started{7, 8, 9}));
  });
  model::CommandSpec spec;
  spec.id = "one";
  spec.argv = {"true"};
  const auto started = test::run_task(context_, agents_->start("box", spec));
  answers.join();
  ASSERT_TRUE(started);
  EXPECT_EQ(started->pid, 7);
  EXPECT_EQ(started->spawn_ns, 9);
}

TEST_F(GuestAgentsTest, AStartWithAReaderAsksForBothAtOnce) {
  const Peer peer(directory());
  peer.hello();
  wait_connected();
  std::thread answers([&peer] {
    const auto start = peer.receive();
    const auto attach = peer.receive();  // though nothing was answered yet
    EXPECT_EQ(start->first.type, Type::start);
    ASSERT_EQ(attach->first.type, Type::attach);
    EXPECT_TRUE(agent::decode<agent::Attach>(attach->second)->consume);
    peer.send(Type::reply, start->first.call, agent::encode(agent::Started{7, 8, 9}));
    agent::Ended ended;
    ended.is_over = true;
    ended.code = 3;
    peer.send(Type::reply, attach->first.call, agent::encode(ended));
  });
  model::CommandSpec spec;
  spec.id = "one";
  spec.argv = {"true"};
  ports::GuestAttach how;
  how.command = "one";
  how.consume = true;
  const auto started = test::run_task(context_, agents_->start_attached("box", spec, how));
  answers.join();
  ASSERT_TRUE(started);
  EXPECT_EQ(started->state.spawn_ns, 9);
  EXPECT_EQ(*test::run_task(context_, started->attachment->next()), std::nullopt);
  EXPECT_EQ(started->attachment->state().exit_code, 3);
}

TEST_F(GuestAgentsTest, AStartThatIsRefusedTakesItsReaderAlong) {
  const Peer peer(directory());
  peer.hello();
  wait_connected();
  std::thread answers([&peer] {
    const auto start = peer.receive();
    const auto attach = peer.receive();
    peer.send(Type::failed, start->first.call, agent::encode(agent::Failed{EEXIST, "it is there"}));
    peer.send(Type::failed, attach->first.call, agent::encode(agent::Failed{ENOENT, "it is not there"}));
    auto next = peer.receive();
    if (next->first.type == Type::cancel) next = peer.receive();  // of the reader, when its end was told too late
    peer.send(Type::reply, next->first.call, agent::encode(agent::CommandList()));
  });
  ports::GuestAttach how;
  how.command = "one";
  const auto started = test::run_task(context_, agents_->start_attached("box", {}, how));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), ErrorCode::already_exists);
  // The connection holds.
  const auto listed = test::run_task(context_, agents_->commands("box"));
  answers.join();
  EXPECT_TRUE(listed);
}

TEST_F(GuestAgentsTest, AnAnswerThatDoesNotComeInTimeFailsTheCallOnly) {
  Options options;
  options.run_dir = dir_.path();
  options.program = dir_.path() + "/program";
  options.reply_limit = std::chrono::milliseconds(20);
  GuestAgents impatient(context_.get_executor(), clock_, options);
  EXPECT_TRUE(test::run_task(context_, impatient.prepare("slow")));
  const Peer peer(dir_.path() + "/agents/slow");
  peer.hello();
  EXPECT_TRUE(test::run_task(context_, impatient.wait_connected("slow", std::chrono::seconds(10))));
  const auto listed = test::run_task(context_, impatient.commands("slow"));
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().code(), ErrorCode::deadline_exceeded);
  EXPECT_EQ(listed.error().message(), "the sandbox's agent: not done within 20 ms");
  EXPECT_EQ(peer.receive()->first.type, Type::commands);
  EXPECT_EQ(peer.receive()->first.type, Type::cancel);
  test::run_task(context_, impatient.stop());
}

TEST_F(GuestAgentsTest, WithoutAnAgentACallWaitsALittle) {
  const auto listed = test::run_task(context_, agents_->commands("box"));
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(test::run_task(context_, agents_->commands("other")).error().code(), ErrorCode::conflict);
}

TEST_F(GuestAgentsTest, NonsenseEndsTheConnectionAndTheNextIsTaken) {
  {
    const Peer peer(directory());
    peer.hello();
    wait_connected();
    peer.send(Type::reply, 12345, "nonsense");
    // To its end: the request may have been sent before the nonsense was read.
    std::thread end([&peer] {
      while (peer.receive()) {
      }
    });
    const auto listed = test::run_task(context_, agents_->commands("box"));
    EXPECT_FALSE(listed);
    end.join();
  }
  const Peer next(directory());
  next.hello(2);
  wait_connected();
}

TEST_F(GuestAgentsTest, AMalformedReplyFailsTheCallAndEndsTheConnection) {
  const Peer peer(directory());
  peer.hello();
  wait_connected();
  std::thread answers([&peer] {
    const auto request = peer.receive();
    peer.send(Type::reply, request->first.call, "?");
    EXPECT_FALSE(peer.receive());
  });
  const auto listed = test::run_task(context_, agents_->commands("box"));
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().code(), ErrorCode::protocol_error);
  answers.join();
}

TEST_F(GuestAgentsTest, TheLastThatSaysHelloIsTheAgent) {
  const Peer first(directory());
  first.hello();
  wait_connected();
  const Peer silent(directory());
  const Peer second(directory());
  second.hello(2);
  EXPECT_TRUE(std::holds_alternative<ports::GuestConnected>(*test::run_task(context_, agents_->next_event())));
  std::thread answers([&second] {
    const auto request = second.receive();
    second.send(Type::reply, request->first.call, agent::encode(agent::CommandList{}));
  });
  EXPECT_TRUE(test::run_task(context_, agents_->commands("box")));
  answers.join();
  EXPECT_FALSE(first.receive());
}

TEST_F(GuestAgentsTest, WhoSaysNothingIsSentAway) {
  const Peer silent(directory());
  std::thread end([&silent] { EXPECT_FALSE(silent.receive()); });
  test::run_task(context_, clock_.sleep_for(std::chrono::milliseconds(300)));
  end.join();
}

TEST_F(GuestAgentsTest, ExitsThatNobodyTakesHoldUpTheirOwnAgentOnly) {
  const Peer peer(directory());
  peer.hello();
  wait_connected();
  std::thread floods([&peer] {
    for (int i = 0; i < 2000; ++i) peer.send(Type::exited, 0, agent::encode(agent::Exited{"x", i, 0, false, 0}));
  });
  for (int i = 0; i < 2000; ++i) {
    const auto event = test::run_task(context_, agents_->next_event());
    ASSERT_TRUE(event);
    ASSERT_EQ(std::get<ports::GuestExit>(*event).command.exit_code, i);
  }
  floods.join();
}

TEST_F(GuestAgentsTest, ForgottenItsCallsEndAndItsDirectoryIsGone) {
  const Peer peer(directory());
  peer.hello();
  wait_connected();
  ASSERT_TRUE(test::run_task(context_, agents_->forget("box")));
  EXPECT_FALSE(peer.receive());
  EXPECT_TRUE(std::holds_alternative<ports::GuestGone>(*test::run_task(context_, agents_->next_event())));
  EXPECT_NE(::access(directory().c_str(), F_OK), 0);
  EXPECT_EQ(test::run_task(context_, agents_->commands("box")).error().code(), ErrorCode::conflict);
}

TEST_F(GuestAgentsTest, AWriterWaitsForCredit) {
  const Peer peer(directory());
  peer.hello();
  wait_connected();
  const std::string bytes(3 * agent::kCreditStart, 'x');
  std::thread takes([&peer, &bytes] {
    const auto request = peer.receive();
    EXPECT_EQ(request->first.type, Type::write);
    std::size_t got = 0;
    std::size_t granted = agent::kCreditStart;
    while (got < bytes.size()) {
      const auto data = peer.receive();
      ASSERT_EQ(data->first.type, Type::data);
      got += data->second.size();
      ASSERT_LE(got, granted);
      if (got < granted) continue;
      granted += 1000;
      peer.send(Type::credit, request->first.call, agent::encode(agent::Credit{1000}));
      if (got + 1000 < bytes.size()) continue;
    }
    EXPECT_EQ(peer.receive()->first.type, Type::eof);
    agent::FileStatus status;
    status.size = got;
    peer.send(Type::reply, request->first.call, agent::encode(status));
  });
  auto writer = test::run_task(context_, agents_->write("box", {"/f", ""}, 0, false));
  ASSERT_TRUE(writer);
  EXPECT_TRUE(test::run_task(context_, (*writer)->write(bytes)));
  const auto file = test::run_task(context_, (*writer)->finish());
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->size, bytes.size());
  takes.join();
}

TEST_F(GuestAgentsTest, AWatchGivesEveryEventAndTellsWhatWasLost) {
  constexpr std::uint32_t kSent = 6000;  // more than wait here, and less than the credit
  const Peer peer(directory());
  peer.hello();
  wait_connected();
  std::thread agent([&peer] {
    const auto request = peer.receive();
    ASSERT_TRUE(request);
    EXPECT_EQ(request->first.type, Type::watch);
    EXPECT_TRUE(agent::decode<agent::Watch>(request->second)->recursive);
    for (std::uint32_t i = 0; i < kSent; ++i)
      peer.send(Type::data, request->first.call, agent::encode(agent::FileEvent{agent::Change::written, "f"}));
    const auto ping = peer.receive();
    EXPECT_EQ(ping->first.type, Type::ping);
    peer.send(Type::reply, ping->first.call, "");
  });
  auto watch = test::run_task(context_, agents_->watch("box", {"/data", ""}, true));
  agent.join();
  ASSERT_TRUE(watch) << watch.error().message();
  std::uint32_t taken = 0;
  for (;;) {
    const auto event = test::run_task(context_, (*watch)->next());
    ASSERT_TRUE(event) << event.error().message();
    if (event->change == ports::FileChange::overflow) break;
    EXPECT_EQ(event->change, ports::FileChange::written);
    EXPECT_EQ(event->path, "f");
    ++taken;
  }
  EXPECT_EQ(taken, kFileEventsMax);
}

TEST_F(GuestAgentsTest, AWatchOfNothingIsRefused) {
  const Peer peer(directory());
  peer.hello();
  wait_connected();
  std::thread agent([&peer] {
    const auto request = peer.receive();
    peer.send(Type::failed, request->first.call, agent::encode(agent::Failed{2, "watch /no/such: not there"}));
    const auto ping = peer.receive();
    peer.send(Type::reply, ping->first.call, "");
  });
  const auto watch = test::run_task(context_, agents_->watch("box", {"/no/such", ""}, false));
  agent.join();
  ASSERT_FALSE(watch);
  EXPECT_EQ(watch.error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace sandboxd::guestlink
