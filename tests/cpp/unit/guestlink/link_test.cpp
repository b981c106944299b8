#include "guestlink/link.hpp"

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::guestlink {
namespace {

using agent::Type;
using testing::HasSubstr;

std::string frame(Type type, std::uint32_t call, std::string_view payload = "") {
  return agent::encode_frame(type, call, payload);
}

class LinkTest : public testing::Test {
 protected:
  LinkTest() { EXPECT_TRUE(link_.feed(frame(Type::hello, 0, agent::encode(agent::Hello{})))); }
  CallPtr open(Type type) {
    auto call = link_.open(type, "");
    EXPECT_TRUE(call);
    static_cast<void>(link_.take_output());
    return *call;
  }
  Result<void> chunk(const CallPtr& call, agent::Output output, std::uint64_t position, std::string bytes) {
    return link_.feed(frame(Type::data, call->number, agent::encode(agent::Chunk{output, position, std::move(bytes)})));
  }

  boost::asio::io_context context_;
  std::vector<std::string> exits_;
  int hellos_ = 0;
  Link link_{context_.get_executor(),
             {.hello = [this](const agent::Hello&) { ++hellos_; },
              .exited = [this](const agent::Exited& exited) { exits_.push_back(exited.command); },
              .wants_to_send = [] {}}};
};

TEST_F(LinkTest, FramesComeHoweverTheyAreCut) {
  const CallPtr call = open(Type::stat);
  const std::string bytes = frame(Type::exited, 0, agent::encode(agent::Exited{"one", 1, 0, false, 5})) +
                            frame(Type::reply, call->number, "r");
  for (const char byte : bytes) ASSERT_TRUE(link_.feed(std::string_view(&byte, 1)));
  EXPECT_EQ(exits_, std::vector<std::string>{"one"});
  EXPECT_EQ(call->reply, "r");
  EXPECT_EQ(link_.held_bytes(), 0U);
}

TEST_F(LinkTest, NothingIsHeardBeforeTheHello) {
  Link fresh(context_.get_executor(),
             {.hello = [](const agent::Hello&) {}, .exited = [](const agent::Exited&) {}, .wants_to_send = [] {}});
  EXPECT_FALSE(fresh.feed(frame(Type::exited, 0, agent::encode(agent::Exited{}))));
  EXPECT_EQ(hellos_, 1);
  EXPECT_FALSE(link_.feed(frame(Type::hello, 0, agent::encode(agent::Hello{}))));
}

TEST_F(LinkTest, AnAgentOfAnotherVersionIsRefusedWithBothNumbers) {
  Link fresh(context_.get_executor(),
             {.hello = [](const agent::Hello&) {}, .exited = [](const agent::Exited&) {}, .wants_to_send = [] {}});
  agent::Hello hello;
  hello.version = 77;
  const auto fed = fresh.feed(frame(Type::hello, 0, agent::encode(hello)));
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().code(), ErrorCode::unsupported);
  EXPECT_THAT(fed.error().message(), HasSubstr("77"));
}

TEST_F(LinkTest, BrokenRulesEndTheConnection) {
  const CallPtr stat = open(Type::stat);
  const CallPtr read = open(Type::read);
  const std::vector<std::string> wrong = {
      frame(Type::reply, 999, ""),                                         // no such call
      frame(Type::data, stat->number, "x"),                                // no data on such a call
      frame(Type::data, read->number, ""),                                 // an empty one
      frame(Type::credit, read->number, agent::encode(agent::Credit{5})),  // nothing is sent on it
      frame(Type::cancel, read->number, ""),                               // only of an attach call
      frame(Type::start, read->number, ""),                                // not an agent's to send
      frame(Type::failed, stat->number, "?"),                              // malformed
      frame(Type::exited, 0, "?"),
      std::string(12, '\xff'),
  };
  for (const std::string& bytes : wrong) {
    const auto fed = link_.feed(bytes);
    ASSERT_FALSE(fed) << bytes.size();
    EXPECT_EQ(fed.error().code(), ErrorCode::protocol_error);
  }
}

TEST_F(LinkTest, MoreDataThanWasGrantedIsRefused) {
  const CallPtr call = open(Type::read);
  const std::string piece(agent::kDataBytesMax, 'x');
  for (std::size_t sent = 0; sent < agent::kCreditStart; sent += piece.size())
    ASSERT_TRUE(link_.feed(frame(Type::data, call->number, piece)));
  EXPECT_FALSE(link_.feed(frame(Type::data, call->number, "x")));
}

TEST_F(LinkTest, WhatIsReadMayBeSentAgain) {
  const CallPtr call = open(Type::read);
  const std::string piece(agent::kDataBytesMax, 'x');
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(link_.feed(frame(Type::data, call->number, piece)));
    const auto got = call->pop();
    ASSERT_TRUE(got);
    link_.return_credit(call, got->bytes.size());
  }
}

TEST_F(LinkTest, TinyPiecesAreJoinedAndKeepTheirOrder) {
  const CallPtr call = open(Type::attach);
  for (std::uint64_t i = 0; i < 10000; ++i) {
    ASSERT_TRUE(chunk(call, agent::Output::out, i, "o"));
    ASSERT_TRUE(chunk(call, agent::Output::err, i, "e"));
  }
  EXPECT_LE(call->pieces.size(), kPiecesMax);
  std::string out;
  std::string err;
  while (auto piece = call->pop()) (piece->is_stderr ? err : out) += piece->bytes;
  EXPECT_EQ(out, std::string(10000, 'o'));
  EXPECT_EQ(err, std::string(10000, 'e'));
}

TEST_F(LinkTest, MessagesStayApart) {
  for (const Type type : {Type::list, Type::watch}) {
    const CallPtr call = open(type);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(link_.feed(frame(Type::data, call->number, std::to_string(i))));
    ASSERT_EQ(call->pieces.size(), 100U);
    EXPECT_EQ(call->pieces.back().bytes, "99");
  }
}

TEST_F(LinkTest, PiecesThatDoNotJoinAreBoundedAndTheirCreditComesBack) {
  const CallPtr call = open(Type::attach);
  for (std::uint64_t i = 0; i < 100000; ++i) ASSERT_TRUE(chunk(call, agent::Output::out, 2 * i, "x"));
  EXPECT_EQ(call->pieces.size(), kPiecesMax);
  EXPECT_EQ(call->unreturned, 100000 - kPiecesMax);
}

TEST_F(LinkTest, DataGoesAsFarAsCreditDoes) {
  const CallPtr call = open(Type::write);
  const std::string bytes(2 * agent::kCreditStart, 'x');
  EXPECT_EQ(link_.send_data(call, bytes), agent::kCreditStart);
  EXPECT_EQ(link_.send_data(call, bytes), 0U);
  static_cast<void>(link_.take_output());
  ASSERT_TRUE(link_.feed(frame(Type::credit, call->number, agent::encode(agent::Credit{1000}))));
  EXPECT_EQ(link_.send_data(call, bytes), 1000U);
}

TEST_F(LinkTest, CreditWithoutEndIsNotBelieved) {
  const CallPtr call = open(Type::write);
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(link_.feed(frame(Type::credit, call->number, agent::encode(agent::Credit{UINT32_MAX}))));
  EXPECT_LE(call->may_send, kSendCreditMax);
  EXPECT_LE(link_.send_data(call, std::string(8 * kDataOutputMax, 'x')), 2 * kDataOutputMax);
}

TEST_F(LinkTest, AnAbandonedCallIsQuietUntilItIsAnswered) {
  const CallPtr call = open(Type::read);
  link_.abandon(call);
  EXPECT_EQ(link_.take_output(), frame(Type::cancel, call->number));
  ASSERT_TRUE(link_.feed(frame(Type::data, call->number, "late")));
  EXPECT_TRUE(call->pieces.empty());
  ASSERT_TRUE(link_.feed(frame(Type::failed, call->number, agent::encode(agent::Failed{125, "call"}))));
  EXPECT_FALSE(link_.feed(frame(Type::data, call->number, "later")));
}

TEST_F(LinkTest, CallsAreBounded) {
  for (std::size_t i = 0; i < kStreamsMax; ++i) ASSERT_TRUE(link_.open(Type::read, ""));
  const auto more = link_.open(Type::read, "");
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code(), ErrorCode::resource_exhausted);
  EXPECT_TRUE(link_.open(Type::stat, ""));
  EXPECT_EQ(link_.open(Type::start, std::string(agent::kFrameBytesMax + 1, 'x')).error().code(), ErrorCode::too_large);
}

TEST_F(LinkTest, AnAgentThatTakesNothingIsGivenUpOn) {
  while (link_.output_bytes() <= kOutputMax)
    ASSERT_TRUE(link_.open(Type::start, std::string(agent::kFrameBytesMax, 'x')));
  EXPECT_EQ(link_.open(Type::stat, "").error().code(), ErrorCode::resource_exhausted);
}

TEST_F(LinkTest, FailuresCarryWhatTheErrnoMeans) {
  const std::vector<std::pair<int, ErrorCode>> meanings = {
      {2, ErrorCode::not_found},         {13, ErrorCode::permission_denied}, {17, ErrorCode::already_exists},
      {28, ErrorCode::storage_failed},   {30, ErrorCode::permission_denied}, {95, ErrorCode::unsupported},
      {22, ErrorCode::invalid_argument}, {-5, ErrorCode::invalid_argument}};
  for (const auto& [number, code] : meanings) {
    const CallPtr call = open(Type::stat);
    ASSERT_TRUE(link_.feed(frame(Type::failed, call->number, agent::encode(agent::Failed{number, "open /x: no"}))));
    ASSERT_TRUE(call->failure);
    EXPECT_EQ(call->failure->code(), code) << number;
    EXPECT_EQ(call->failure->message(), "open /x: no");
  }
}

TEST_F(LinkTest, TheEndFailsEverythingOpen) {
  const CallPtr call = open(Type::stat);
  link_.end(Error(ErrorCode::unavailable, "gone"));
  ASSERT_TRUE(call->failure);
  EXPECT_EQ(call->failure->message(), "gone");
  EXPECT_FALSE(link_.open(Type::stat, ""));
}

}  // namespace
}  // namespace sandboxd::guestlink
