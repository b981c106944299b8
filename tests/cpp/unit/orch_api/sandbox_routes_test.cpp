// /api/v1/sandboxes: statuses, bodies and orders of checks, lists with filters and pages, idempotency keys.
#include "api_fixture.hpp"
#include "base/limits.hpp"
#include "orch/api/sandboxd_o/wire.hpp"

namespace sandboxd::orch::sandboxd_o {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST_F(ApiTest, health_is_told_without_a_token_and_everything_else_needs_one) {
  EXPECT_EQ(get("/healthz").body, R"({"ok":true})");
  const std::vector<std::pair<std::string, std::string>> routes = {
      {"POST", "/api/v1/sandboxes"},
      {"GET", "/api/v1/sandboxes"},
      {"GET", "/api/v1/sandboxes/a"},
      {"DELETE", "/api/v1/sandboxes/a"},
      {"POST", "/api/v1/nodes"},
      {"GET", "/api/v1/nodes"},
      {"GET", "/api/v1/nodes/a"},
      {"PATCH", "/api/v1/nodes/a"},
      {"DELETE", "/api/v1/nodes/a"},
      {"POST", "/api/v1/nodes/a/heartbeat"},
      {"POST", "/api/v1/externals"},
      {"GET", "/api/v1/externals"},
      {"GET", "/api/v1/externals/a"},
      {"DELETE", "/api/v1/externals/a"},
      {"GET", "/api/v1/nodes/a/sandboxes"},
      {"POST", "/api/v1/nodes/a/sandboxes"},
      {"GET", "/api/v1/nodes/a/sandboxes/b"},
      {"DELETE", "/api/v1/nodes/a/sandboxes/b"},
      {"GET", "/api/v1/nodes/a/sandboxes/b/logs"},
      {"GET", "/api/v1/nodes/a/sandboxes/b/containers/c/logs"},
      {"POST", "/api/v1/nodes/a/reconcile"},
      {"GET", "/api/v1/watch"},
  };
  for (const auto& [method, path] : routes) {
    const auto found = router_->find(method, path);
    ASSERT_TRUE(std::holds_alternative<http::Matched>(found)) << method << " " << path;
    EXPECT_TRUE(std::get<http::Matched>(found).route->needs_auth) << method << " " << path;
  }
  EXPECT_FALSE(std::get<http::Matched>(router_->find("GET", "/healthz")).route->needs_auth);
}

TEST_F(ApiTest, unknown_paths_and_methods_have_no_route_and_a_slash_too_many_redirects) {
  for (const auto& [method, path] : std::vector<std::pair<std::string, std::string>>{{"PUT", "/api/v1/nodes"},
                                                                                     {"HEAD", "/api/v1/nodes"},
                                                                                     {"POST", "/healthz"},
                                                                                     {"GET", "/API/v1/nodes"},
                                                                                     {"GET", "/api//v1/nodes"},
                                                                                     {"GET", "/api/v1/nodes/a%2Fb"}}) {
    EXPECT_TRUE(std::holds_alternative<http::NoRoute>(router_->find(method, path))) << method << " " << path;
  }
  const auto to = std::get<http::Redirect>(router_->find("GET", "/api/v1/externals/"));
  EXPECT_EQ(to.status, 301);
  EXPECT_EQ(to.location, "/api/v1/externals");
  EXPECT_EQ(std::get<http::Redirect>(router_->find("PATCH", "/api/v1/nodes/a/")).status, 307);
}

TEST_F(ApiTest, a_sandbox_is_created_got_listed_and_deleted) {
  add_node();
  const Answer made = create("a", R"(,"ttl_seconds":60,"ports":[{"container_port":80}])");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.text("sandbox", "id"), "a");
  EXPECT_EQ(made.text("sandbox", "name"), "a");
  EXPECT_EQ(made.text("sandbox", "status", "phase"), "Pending");
  EXPECT_THAT(made.text("sandbox", "status", "expire_at"), testing::EndsWith("Z"));
  EXPECT_EQ(made.json("sandbox", "status", "node_name"), nullptr);
  run_for(std::chrono::seconds(1));
  const Answer running = get("/api/v1/sandboxes/a");
  EXPECT_EQ(running.status, 200);
  EXPECT_EQ(running.text("sandbox", "status", "phase"), "Running");
  EXPECT_EQ(running.text("sandbox", "status", "node_name"), "n");
  EXPECT_EQ(running.text("sandbox", "status", "external"), "(none)");
  EXPECT_THAT(running.text("sandbox", "status", "assigned_ports"),
              testing::MatchesRegex(R"(\[\{"host_port":[0-9]+,"container_port":80,"protocol":"tcp"\}\])"));
  EXPECT_EQ(get("/api/v1/sandboxes").ids(), "a");
  EXPECT_EQ(ask("DELETE", "/api/v1/sandboxes/a").body, R"({"deleted":"a"})");
  run_for(std::chrono::seconds(1));
  const Answer gone = get("/api/v1/sandboxes/a");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.error(), "sandbox not found");
  EXPECT_EQ(ask("DELETE", "/api/v1/sandboxes/a").error(), "sandbox not found");
  EXPECT_THAT(get("/api/v1/sandboxes").body, StartsWith(R"({"items":[],"revision":)")) << "never null";
}

TEST_F(ApiTest, creates_are_refused_in_the_documented_order) {
  // The body's JSON, then its rules, then what is there already.
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", "{").status, 400);
  const Answer invalid = ask("POST", "/api/v1/sandboxes", R"({"id":"a"})");
  EXPECT_EQ(invalid.status, 400);
  EXPECT_EQ(invalid.error(), "invalid input: at least one container is required");
  EXPECT_EQ(invalid.headers.at("X-Sandboxd-Error"), "invalid_argument");
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", "null").error(), "invalid input: id is required");
  ASSERT_EQ(create("a").status, 201);
  const Answer again = create("a");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.error(), "sandbox a already exists");
  EXPECT_EQ(again.headers.at("X-Sandboxd-Error"), "already_exists");
  // What the original finds out on the node only.
  const Answer twice = ask("POST", "/api/v1/sandboxes",
                           R"({"id":"b","spec":{"containers":[{"name":"x","image":"i","resource":{"cpu":"1",)"
                           R"("memory":"1Mi"}},{"name":"x","image":"i","resource":{"cpu":"1","memory":"1Mi"}}]}})");
  EXPECT_EQ(twice.status, 400);
  EXPECT_EQ(twice.error(), "invalid input: duplicate container name: x");
  EXPECT_EQ(get("/api/v1/sandboxes").ids(), "a");
}

TEST_F(ApiTest, a_wrong_revision_to_watch_from_is_named_for_what_it_is) {
  const Answer query = get("/api/v1/watch?after=abc");
  EXPECT_EQ(query.status, 400);
  EXPECT_EQ(query.error(), "invalid input: after must be a revision, such as 42");
  EXPECT_EQ(query.headers.at("X-Sandboxd-Error"), "invalid_argument");
  const Answer header = ask("GET", "/api/v1/watch?after=1", "", {{"Last-Event-ID", "-1"}});
  EXPECT_EQ(header.error(), "invalid input: Last-Event-ID must be a revision, such as 42");
  const Answer future = get("/api/v1/watch?after=9999");
  EXPECT_EQ(future.status, 410);
  EXPECT_THAT(future.error(), HasSubstr("9999 is newer than "));
  EXPECT_EQ(future.headers.at("X-Sandboxd-Error"), "conflict");
}

TEST_F(ApiTest, a_name_is_kept_and_is_one_sandboxes_alone) {
  const auto named = [](const char* id, const char* name) {
    return R"({"name":")" + std::string(name) + R"(",)" + sandbox(id).substr(1);
  };
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", named("a", "web")).text("sandbox", "name"), "web");
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", named("b", "web")).status, 409);
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", named("b", "w b")).error(),
            "invalid input: name contains unsupported characters");
}

TEST_F(ApiTest, our_additions_to_a_spec_are_checked_too) {
  EXPECT_EQ(create("a", R"(,"runtime":"kata")").error(), "invalid input: runtime must be runsc or runc");
  EXPECT_EQ(create("a", R"(,"egress_policy":{"mode":"allow_list","allow_cidrs":["1.2.3.4","1.2.3.4:0"]})").error(),
            "invalid input: egress_policy.allow_cidrs[1] \"1.2.3.4:0\": ports must be between 1 and 65535");
  EXPECT_EQ(create("a", R"(,"labels":{"":"x"})").error(), "invalid input: labels key is required");
  const std::string long_text(limits::kLabelLengthMax + 1, 'v');
  EXPECT_EQ(create("a", R"(,"labels":{"k":")" + long_text + R"("})").error(),
            "invalid input: labels: a key or value is longer than 1024 bytes");
  std::string many;
  for (std::size_t n = 0; n <= limits::kLabelsMax; ++n) many += (n == 0 ? "\"" : ",\"") + std::to_string(n) + R"(":"")";
  EXPECT_EQ(create("a", R"(,"labels":{)" + many + "}").error(), "invalid input: a sandbox has at most 256 labels");
  EXPECT_EQ(get("/api/v1/sandboxes/a").status, 404) << "and nothing was stored";
}

TEST_F(ApiTest, malformed_ids_in_the_path_are_400_in_the_originals_words) {
  for (const char* method : {"GET", "DELETE"}) {
    EXPECT_EQ(ask(method, "/api/v1/sandboxes/%20").error(), "invalid input: sandbox id is required");
    EXPECT_EQ(ask(method, "/api/v1/sandboxes/%20a").error(),
              "invalid input: sandbox id must not contain leading or trailing whitespace");
    EXPECT_EQ(ask(method, "/api/v1/sandboxes/a..b").error(), "invalid input: id contains invalid path characters");
    EXPECT_EQ(ask(method, "/api/v1/sandboxes/a%00b").error(), "invalid input: id contains unsupported characters");
    EXPECT_EQ(ask(method, "/api/v1/sandboxes/a%FF").status, 400);
  }
}

TEST_F(ApiTest, a_sandbox_that_waits_says_why_for_every_node_as_it_is_now) {
  add_node();
  ASSERT_EQ(create("big", "", "9").status, 201);
  EXPECT_EQ(get("/api/v1/sandboxes/big").text("sandbox", "status", "reasons"),
            R"(["node n: not enough cpu: needs 9000m, has 4000m free"])");
  ASSERT_EQ(ask("PATCH", "/api/v1/nodes/n", R"({"spec":{"unschedulable":true}})").status, 200);
  EXPECT_THAT(get("/api/v1/sandboxes/big").text("sandbox", "status", "reasons"),
              HasSubstr("closed for new sandboxes (unschedulable)"));
  ASSERT_EQ(ask("DELETE", "/api/v1/nodes/n?force=true").status, 200);
  EXPECT_EQ(get("/api/v1/sandboxes/big").text("sandbox", "status", "reasons"), R"(["no nodes are registered"])");
}

// ---- what reaches a node, and which node

TEST_F(ApiTest, everything_of_a_spec_reaches_the_node) {
  add_node();
  const std::string spec =
      R"({"egress":true,"volumes":[{"name":"data","ephemeral_storage":"64Mi"}],"containers":[{"name":"app",)"
      R"("image":"local/app:1","args":["-v","x"],"env":["A=b"],"work_dir":"/srv","cap_add":["NET_ADMIN"],)"
      R"("cap_drop":["ALL"],"security_opt":["no-new-privileges:false"],"read_only":true,)"
      R"("tmpfs":[{"mount_path":"/run","options":"size=1m"}],"volume_mounts":[{"name":"data","mount_path":"/d"}],)"
      R"("resource":{"cpu":"100m","memory":"1Mi","ephemeral_storage":"96Mi"}},{"name":"db","image":"local/db:1",)"
      R"("volume_mounts":[{"name":"data","mount_path":"/e","read_only":true}],)"
      R"("resource":{"cpu":"50m","memory":"2Mi"}}],"readiness_probe":{"protocol":"http","port":80,"path":"/up",)"
      R"("initial_delay_seconds":1,"period_seconds":2,"timeout_seconds":3,"success_threshold":4,)"
      R"("failure_threshold":5}})";
  const Answer made = ask("POST", "/api/v1/sandboxes", R"({"id":"a","spec":)" + spec + "}");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.text("sandbox", "spec"), spec) << "echoed as sent";
  run_for(std::chrono::seconds(1));
  const auto sent = decode_create(R"({"id":"a","spec":)" + spec + "}");
  EXPECT_EQ(model_->machine.at(SandboxId("a")).spec, sent->spec);
}

TEST_F(ApiTest, a_host_port_that_is_named_is_echoed_and_ignored) {
  add_node();
  const std::string ports = R"([{"host_port":1,"container_port":80},{"container_port":81},)"
                            R"({"host_port":99999999999,"container_port":53,"protocol":"UDP"}])";
  const Answer made = create("a", R"(,"ports":)" + ports);
  ASSERT_EQ(made.status, 201) << made.body;
  run_for(std::chrono::seconds(1));
  const Answer running = get("/api/v1/sandboxes/a");
  EXPECT_EQ(running.text("sandbox", "spec", "ports"), ports);
  EXPECT_EQ(running.text("sandbox", "status", "phase"), "Running");
  const auto assigned = running.json("sandbox", "status", "assigned_ports");
  for (const auto& port : assigned.as_array()) {
    EXPECT_GE(port.at("host_port").as_int64(), config_.host_port_min);
    EXPECT_LE(port.at("host_port").as_int64(), config_.host_port_max);
  }
}

TEST_F(ApiTest, a_selector_waits_for_a_node_with_its_labels) {
  add_node();
  ASSERT_EQ(create("a", R"(,"node_selector":{"zone":"x"})").status, 201);
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("/api/v1/sandboxes/a").text("sandbox", "status", "reasons"), R"(["node n: lacks the labels zone=x"])");
  EXPECT_TRUE(model_->machine.empty());
  ASSERT_EQ(ask("PATCH", "/api/v1/nodes/n", R"({"metadata":{"labels":{"zone":"x"}}})").status, 200);
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("/api/v1/sandboxes?phase=Running&node=n").ids(), "a");
}

// ---- lists

class ListTest : public ApiTest {
 protected:
  ListTest() {
    add_node();
    for (const char* id : {"d", "b", "a", "c"}) {
      const bool is_red = std::string_view("ab").find(id) != std::string_view::npos;
      const std::string labels = std::string(R"(,"labels":{"team":")") + (is_red ? "red" : "blue") + R"(","x":""})";
      EXPECT_EQ(create(id, labels).status, 201);
      run_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(create("huge", "", "9").status, 201);
    run_for(std::chrono::seconds(1));
  }
};

TEST_F(ListTest, are_in_the_order_of_creation_and_whole_by_default) {
  const Answer all = get("/api/v1/sandboxes");
  EXPECT_EQ(all.ids(), "d b a c huge");
  EXPECT_EQ(all.json("next_cursor"), nullptr);
}

TEST_F(ListTest, filters_by_phase_label_and_node) {
  EXPECT_EQ(get("/api/v1/sandboxes?phase=Running").ids(), "d b a c");
  EXPECT_EQ(get("/api/v1/sandboxes?phase=pending").ids(), "huge");
  EXPECT_EQ(get("/api/v1/sandboxes?phase=Failed,%20Pending").ids(), "huge");
  EXPECT_EQ(get("/api/v1/sandboxes?phase=Failed&phase=Running").ids(), "d b a c");
  EXPECT_EQ(get("/api/v1/sandboxes?phase=").ids(), "d b a c huge");
  EXPECT_EQ(get("/api/v1/sandboxes?label=team=red").ids(), "b a");
  EXPECT_EQ(get("/api/v1/sandboxes?label=team%3Dblue&label=x").ids(), "d c");
  EXPECT_EQ(get("/api/v1/sandboxes?label=team").ids(), "d b a c");
  EXPECT_EQ(get("/api/v1/sandboxes?label=x=").ids(), "d b a c");
  EXPECT_EQ(get("/api/v1/sandboxes?label=none").ids(), "");
  EXPECT_EQ(get("/api/v1/sandboxes?node=n").ids(), "d b a c");
  EXPECT_EQ(get("/api/v1/sandboxes?node=m").ids(), "");
  EXPECT_EQ(get("/api/v1/sandboxes?phase=Running&label=team=red&node=n&limit=1").ids(), "b");
}

TEST_F(ListTest, pages_join_to_the_whole_whatever_comes_and_goes_between_them) {
  const Answer first = get("/api/v1/sandboxes?limit=2");
  EXPECT_EQ(first.ids(), "d b");
  // The last of the first page goes, and a new one comes.
  ASSERT_EQ(ask("DELETE", "/api/v1/sandboxes/b").status, 200);
  run_for(std::chrono::seconds(1));
  ASSERT_EQ(create("e").status, 201);
  const Answer second = get("/api/v1/sandboxes?limit=2&cursor=" + first.text("next_cursor"));
  EXPECT_EQ(second.ids(), "a c");
  const Answer third = get("/api/v1/sandboxes?limit=2&cursor=" + second.text("next_cursor"));
  EXPECT_EQ(third.ids(), "huge e");
  EXPECT_EQ(third.json("next_cursor"), nullptr);
  EXPECT_EQ(get("/api/v1/sandboxes?limit=1&label=team=blue&cursor=" + first.text("next_cursor")).ids(), "c");
}

TEST_F(ListTest, bad_queries_are_400_with_what_to_use) {
  for (const auto& [query, message] : std::vector<std::pair<std::string, std::string>>{
           {"phase=Ready",
            "unknown phase \"Ready\"; use Pending, Scheduled, Running, Paused, Stopped, Failed or Deleting"},
           {"label==red", "label must be key=value or key"},
           {"label=a=1&label=a=2", "label a cannot have two values"},
           {"limit=0", "limit must be a number from 1 to 1000"},
           {"limit=1001", "limit must be a number from 1 to 1000"},
           {"limit=-1", "limit must be a number from 1 to 1000"},
           {"limit=2x", "limit must be a number from 1 to 1000"},
           {"limit=1&cursor=nonsense", "cursor is not the next_cursor of a list of sandboxes"},
           {"cursor=12.", "cursor is not the next_cursor of a list of sandboxes"},
           {"cursor=99999999999999999999.a", "cursor is not the next_cursor of a list of sandboxes"}}) {
    const Answer refused = get("/api/v1/sandboxes?" + query);
    EXPECT_EQ(refused.status, 400) << query;
    EXPECT_EQ(refused.error(), "invalid input: " + message) << query;
  }
}

// ---- idempotency keys

const std::vector<std::pair<std::string, std::string>> kOnce{{"Idempotency-Key", "k-1"}};

TEST_F(ApiTest, a_repeated_create_with_its_key_gets_the_first_answer_again) {
  add_node();
  const Answer first = ask("POST", "/api/v1/sandboxes", sandbox("a"), kOnce);
  ASSERT_EQ(first.status, 201) << first.body;
  EXPECT_FALSE(first.headers.contains("Idempotent-Replayed"));
  run_for(std::chrono::seconds(1));
  ASSERT_EQ(get("/api/v1/sandboxes/a").text("sandbox", "status", "phase"), "Running");
  const Answer again = ask("POST", "/api/v1/sandboxes", sandbox("a"), kOnce);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.headers.at("Idempotent-Replayed"), "true");
  // Whatever became of it.
  ASSERT_EQ(ask("DELETE", "/api/v1/sandboxes/a").status, 200);
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", sandbox("a"), kOnce).body, first.body);
  EXPECT_EQ(get("/api/v1/sandboxes/a").status, 404);
}

TEST_F(ApiTest, a_key_belongs_to_one_request) {
  ASSERT_EQ(ask("POST", "/api/v1/sandboxes", sandbox("a"), kOnce).status, 201);
  const Answer other = ask("POST", "/api/v1/sandboxes", sandbox("b"), kOnce);
  EXPECT_EQ(other.status, 422);
  EXPECT_THAT(other.error(), HasSubstr("\"k-1\" belongs to another request"));
  EXPECT_EQ(get("/api/v1/sandboxes").ids(), "a");
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", sandbox("b"), {{"idempotency-key", "k-2"}}).status, 201);
}

TEST_F(ApiTest, a_refused_create_does_not_use_its_key_up) {
  ASSERT_EQ(create("a").status, 201);
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", sandbox("a"), kOnce).status, 409);
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", "{}", kOnce).status, 400);
  disk_->faults.full = true;
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", sandbox("b"), kOnce).status, 500);
  disk_->faults.full = false;
  run_for(std::chrono::seconds(6));
  const Answer made = ask("POST", "/api/v1/sandboxes", sandbox("b"), kOnce);
  EXPECT_EQ(made.status, 201);
  EXPECT_FALSE(made.headers.contains("Idempotent-Replayed"));
}

TEST_F(ApiTest, keys_survive_power_loss_with_their_sandbox) {
  const Answer first = ask("POST", "/api/v1/sandboxes", sandbox("a"), kOnce);
  ASSERT_EQ(first.status, 201);
  restart_after_power_loss();
  EXPECT_EQ(get("/api/v1/sandboxes").ids(), "a");
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", sandbox("a"), kOnce).body, first.body);
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", sandbox("b"), kOnce).status, 422);
}

TEST_F(ApiTest, keys_are_forgotten_after_a_day) {
  ASSERT_EQ(ask("POST", "/api/v1/sandboxes", sandbox("a"), kOnce).status, 201);
  run_for(std::chrono::hours(25));
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", sandbox("b"), kOnce).status, 201);
}

TEST_F(ApiTest, malformed_keys_are_400) {
  for (const std::string& key :
       {std::string(), std::string("  "), std::string("a b"), std::string("\xc3\xa9"), std::string(256, 'k')}) {
    const Answer refused = ask("POST", "/api/v1/sandboxes", sandbox("a"), {{"Idempotency-Key", key}});
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(refused.error(), "invalid input: Idempotency-Key must be 1 to 255 visible ASCII characters");
  }
  EXPECT_EQ(ask("POST", "/api/v1/sandboxes", sandbox("a"), {{"Idempotency-Key", std::string(255, 'k')}}).status, 201);
}

TEST_F(ApiTest, two_creates_with_one_key_in_one_turn_make_one_sandbox) {
  disk_->faults.delay = std::chrono::milliseconds(5);
  std::vector<std::string> bodies;
  const auto send = [&](Task<Result<OnceAnswer>> task) {
    boost::asio::co_spawn(context_, std::move(task), [&](std::exception_ptr, Result<OnceAnswer> answer) {
      bodies.push_back(answer ? answer->text : answer.error().message());
    });
  };
  for (int n = 0; n < 2; ++n) {
    CreateSandbox request;
    request.id = SandboxId("a");
    request.spec.containers.resize(1);
    request.spec.containers[0].name = request.spec.containers[0].image = "x";
    send(service_->create_once(request, {"k", "f"}, [](const model::Sandbox& s) { return "made " + s.uid; }));
  }
  run_for(std::chrono::milliseconds(50));
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_EQ(bodies[0], bodies[1]);
  EXPECT_THAT(bodies[0], StartsWith("made "));
}

}  // namespace
}  // namespace sandboxd::orch::sandboxd_o
