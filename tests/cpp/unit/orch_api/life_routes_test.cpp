// /api/v1/sandboxes/{id}/pause, resume, stop, start, restart, renew.
#include "api_fixture.hpp"

namespace sandboxd::orch::sandboxd_o {
namespace {

using testing::HasSubstr;

constexpr const char* kVerbs[] = {"pause", "resume", "stop", "start", "restart"};

class LifeRoutesTest : public ApiTest {
 protected:
  Answer post(const std::string& verb, std::string body = {}) {
    return ask("POST", "/api/v1/sandboxes/a/" + verb, std::move(body));
  }
  std::string phase() { return get("/api/v1/sandboxes/a").text("sandbox", "status", "phase"); }
  // A running sandbox, and then the wish that leads to `phase`.
  void be(const std::string& wanted) {
    add_node();
    ASSERT_EQ(create("a").status, 201);
    ASSERT_TRUE(comes("Running"));
    if (wanted == "Running") return;
    ASSERT_EQ(post(wanted == "Paused" ? "pause" : "stop").status, 202);
    ASSERT_TRUE(comes(wanted));
  }
  bool comes(const std::string& wanted) {
    for (int n = 0; n < 100 && phase() != wanted; ++n) run_for(std::chrono::milliseconds(100));
    return phase() == wanted;
  }
  // "202", or the status with the reason.
  std::string outcome(const std::string& verb) {
    const Answer answer = post(verb);
    const auto reason = answer.headers.find("X-Sandboxd-Reason");
    return std::to_string(answer.status) + (reason == answer.headers.end() ? "" : " " + reason->second);
  }
};

TEST_F(LifeRoutesTest, a_wish_is_acknowledged_and_comes_true) {
  be("Running");
  const Answer paused = post("pause");
  EXPECT_EQ(paused.status, 202);
  EXPECT_EQ(paused.text("sandbox", "id"), "a");
  EXPECT_TRUE(comes("Paused"));
  EXPECT_EQ(post("resume").status, 202);
  EXPECT_TRUE(comes("Running"));
  EXPECT_EQ(post("stop").status, 202);
  EXPECT_TRUE(comes("Stopped"));
  EXPECT_EQ(post("start").status, 202);
  EXPECT_TRUE(comes("Running"));
  EXPECT_EQ(post("restart").status, 202);
  EXPECT_TRUE(comes("Running"));
}

TEST_F(LifeRoutesTest, a_running_one_can_do_all_but_start_and_go_on) {
  be("Running");
  EXPECT_EQ(outcome("resume"), "409 not_paused");
  EXPECT_EQ(outcome("start"), "409 already_running");
  EXPECT_EQ(outcome("restart"), "202");
}

TEST_F(LifeRoutesTest, a_paused_one) {
  be("Paused");
  EXPECT_EQ(outcome("pause"), "409 already_paused");
  EXPECT_EQ(outcome("start"), "409 already_running");
  EXPECT_EQ(outcome("stop"), "202");
}

TEST_F(LifeRoutesTest, a_stopped_one) {
  be("Stopped");
  EXPECT_EQ(outcome("pause"), "409 not_running");
  EXPECT_EQ(outcome("resume"), "409 not_paused");
  EXPECT_EQ(outcome("stop"), "409 already_stopped");
  EXPECT_EQ(outcome("restart"), "202") << "which is a start then";
}

TEST_F(LifeRoutesTest, one_that_is_being_deleted) {
  be("Running");
  transport_.detach(7);
  ask("DELETE", "/api/v1/sandboxes/a");
  for (const char* verb : kVerbs) EXPECT_EQ(outcome(verb), "409 deleting") << verb;
  EXPECT_EQ(post("renew", R"({"ttl_seconds":5})").status, 409);
}

TEST_F(LifeRoutesTest, unknown_and_malformed_ids) {
  for (const char* verb : kVerbs) {
    const Answer missing = post(verb);
    EXPECT_EQ(missing.status, 404) << verb;
    EXPECT_EQ(missing.error(), "sandbox not found");
    EXPECT_EQ(ask("POST", std::string("/api/v1/sandboxes/a%20b/") + verb).status, 400) << verb;
  }
  EXPECT_EQ(post("renew", R"({"ttl_seconds":5})").status, 404);
}

TEST_F(LifeRoutesTest, a_renewal_moves_the_expiry) {
  be("Running");
  const std::string before = get("/api/v1/sandboxes/a").body;
  EXPECT_EQ(post("renew", R"({"ttl_seconds":5})").status, 202);
  run_for(std::chrono::seconds(30));
  EXPECT_NE(phase(), "Running");
}

TEST_F(LifeRoutesTest, a_renewal_that_says_nothing_usable_is_400) {
  be("Running");
  for (const char* body : {"", "{", "[]", "{}", R"({"ttl_seconds":"5"})", R"({"ttl_seconds":0})",
                           R"({"ttl_seconds":-1})", R"({"ttl_seconds":99999999999999})", R"({"ttl_seconds":1.5})"}) {
    const Answer refused = post("renew", body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_FALSE(refused.error().empty()) << body;
  }
  EXPECT_THAT(post("renew", R"({"ttl_seconds":0})").error(), HasSubstr("ttl_seconds"));
  EXPECT_EQ(phase(), "Running");
}

TEST_F(LifeRoutesTest, a_body_is_not_needed_and_not_read) {
  be("Running");
  EXPECT_EQ(post("pause", "no json").status, 202);
}

}  // namespace
}  // namespace sandboxd::orch::sandboxd_o
