// /api/v1/nodes and /api/v1/externals: statuses, bodies, orders of checks and texts.
#include "api_fixture.hpp"

namespace sandboxd::orch::sandboxd_o {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class NodesTest : public ApiTest {
 protected:
  // A node that nobody answers for.
  Answer register_node(const std::string& id, const std::string& more = {}, int port = 9) {
    return ask("POST", "/api/v1/nodes",
               R"({"id":")" + id + R"(","spec":{"ip":"10.0.0.9","port":)" + std::to_string(port) + "}" + more + "}");
  }
  Answer patch(const std::string& id, const std::string& body) { return ask("PATCH", "/api/v1/nodes/" + id, body); }
  Answer bind(const std::string& id, const std::string& node, const std::string& external) {
    return ask("POST", "/api/v1/externals",
               R"({"id":")" + id + R"(","spec":{"node_id":")" + node + R"(","external":")" + external + R"("}})");
  }
};

// ---- create or replace

TEST_F(NodesTest, are_created_and_replaced_by_the_same_call) {
  const Answer made = register_node(" a ", R"(,"metadata":{"labels":{" zone ":" x "," ":"dropped"}})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_THAT(made.body, StartsWith(R"({"node":{"id":"a","metadata":{"labels":{"zone":"x"}},"ip":"10.0.0.9","port":9,)"
                                    R"("unschedulable":false,"state":)"));
  EXPECT_EQ(made.text("node", "name"), "a");
  EXPECT_EQ(made.text("node", "source"), "object");
  EXPECT_EQ(made.text("node", "sbxlet_base_url"), "http://10.0.0.9:9");
  ASSERT_EQ(patch("a", R"({"spec":{"unschedulable":true}})").status, 200);
  ASSERT_EQ(bind("e", "a", "203.0.113.10").status, 200);
  run_for(std::chrono::seconds(1));
  // Cordon and labels are overwritten; the time of creation and the External are kept.
  const Answer replaced = register_node("a", "", 10);
  EXPECT_EQ(replaced.text("node", "unschedulable"), "false");
  EXPECT_EQ(replaced.text("node", "metadata"), "{}");
  EXPECT_EQ(replaced.text("node", "port"), "10");
  EXPECT_EQ(replaced.text("node", "created_at"), made.text("node", "created_at"));
  EXPECT_EQ(replaced.text("node", "resources", "external"), "203.0.113.10");
}

TEST_F(NodesTest, show_their_images_one_by_one_only_when_asked_for_by_themselves) {
  ASSERT_EQ(register_node("a").status, 200);
  const auto told = run(engine_->write<void>([](Engine& engine) {
    model::Node node = *engine.state().find_node(NodeId("a"));
    node.images = {"x:1", "y:2"};
    engine.state().touch_node(std::move(node));
    return Result<void>();
  }));
  ASSERT_TRUE(told);
  EXPECT_THAT(get("/api/v1/nodes/a").body, HasSubstr(R"("image_count":2,"images":["x:1","y:2"]})"));
  const std::string list = get("/api/v1/nodes").body;
  EXPECT_THAT(list, HasSubstr(R"("image_count":2})"));
  EXPECT_THAT(list, testing::Not(HasSubstr("x:1")));
}

TEST_F(NodesTest, are_checked_in_the_documented_order) {
  EXPECT_EQ(ask("POST", "/api/v1/nodes", "[").status, 400);
  for (const auto& [body, message] : std::vector<std::pair<std::string, std::string>>{
           {"{}", "id is required"},
           {R"({"id":"  ","spec":{"ip":"x"}})", "id is required"},
           {R"({"id":"n","spec":{"ip":"x","port":0}})", "invalid ip"},
           {R"({"id":"n","spec":{"ip":"::","port":0}})", "unspecified ip is not allowed"},
           {R"({"id":"n","spec":{"ip":"ff02::1","port":0}})", "multicast ip is not allowed"},
           {R"({"id":"n","spec":{"ip":"169.254.169.254","port":0}})", "link-local ip is not allowed"},
           {R"({"id":"n","spec":{"ip":"10.0.0.1","port":70000}})", "invalid port"},
           {R"({"id":"a/b","spec":{"ip":"10.0.0.1","port":1}})", "id contains unsupported characters"},
           {R"({"id":"a\u0000b","spec":{"ip":"10.0.0.1","port":1}})", "id contains unsupported characters"}}) {
    const Answer refused = ask("POST", "/api/v1/nodes", body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_EQ(refused.error(), "invalid input: " + message) << body;
  }
  EXPECT_EQ(ask("POST", "/api/v1/nodes", R"({"id":"n","spec":{"ip":"10.0.0.1","port":"80"}})").status, 400);
  EXPECT_EQ(get("/api/v1/nodes").ids(), "");
}

TEST_F(NodesTest, are_listed_by_id_with_filters_and_pages) {
  add_node();
  for (const char* id : {"c", "a", "b"}) {
    ASSERT_EQ(register_node(id, R"(,"metadata":{"labels":{"zone":"x"}})").status, 200);
  }
  EXPECT_EQ(get("/api/v1/nodes").ids(), "a b c n");
  EXPECT_EQ(get("/api/v1/nodes?state=Ready").ids(), "n");
  EXPECT_EQ(get("/api/v1/nodes?state=unknown,NotReady&label=zone=x").ids(), "a b c");
  EXPECT_EQ(get("/api/v1/nodes?label=zone").ids(), "a b c");
  const Answer first = get("/api/v1/nodes?limit=2");
  EXPECT_EQ(first.ids(), "a b");
  EXPECT_EQ(first.text("next_cursor"), "b");
  EXPECT_EQ(get("/api/v1/nodes?limit=2&cursor=b").ids(), "c n");
  EXPECT_EQ(get("/api/v1/nodes?limit=2&cursor=b").json("next_cursor"), nullptr);
  EXPECT_EQ(get("/api/v1/nodes?state=Running").error(),
            "invalid input: unknown state \"Running\"; use Unknown, Ready or NotReady");
}

TEST_F(NodesTest, unknown_ones_are_404) {
  EXPECT_EQ(get("/api/v1/nodes/x").error(), "node not found");
  EXPECT_EQ(get("/api/v1/nodes/%20").status, 404);
  EXPECT_EQ(ask("POST", "/api/v1/nodes/x/heartbeat").status, 404);
}

// ---- patch

TEST_F(NodesTest, labels_and_cordon_are_patched) {
  ASSERT_EQ(register_node("a", R"(,"metadata":{"labels":{"keep":"1","go":"2"}})").status, 200);
  const Answer patched =
      patch("a", R"({"spec":{"unschedulable":true},"metadata":{"labels":{" new ":" 3 ","go":null,"never":null}}})");
  ASSERT_EQ(patched.status, 200) << patched.body;
  EXPECT_EQ(patched.text("node", "metadata", "labels"), R"({"keep":"1","new":"3"})");
  EXPECT_EQ(patched.text("node", "unschedulable"), "true");
  EXPECT_EQ(get("/api/v1/nodes/a").body, patched.body);
  EXPECT_EQ(patch("%20a%20", R"({"SPEC":{"Unschedulable":false}})").text("node", "unschedulable"), "false");
  EXPECT_EQ(patch("a", R"({"metadata":{"labels":{}}})").status, 200) << "an empty patch of labels is one";
  EXPECT_EQ(get("/api/v1/nodes/a").text("node", "metadata", "labels"), R"({"keep":"1","new":"3"})");
}

TEST_F(NodesTest, patches_are_checked_in_the_documented_order) {
  ASSERT_EQ(register_node("a").status, 200);
  EXPECT_EQ(patch("x", "{").status, 400) << "the body comes first";
  EXPECT_EQ(patch("%20", "{}").error(), "invalid input: id is required");
  const Answer unknown = patch("x", "{}");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.error(), "node not found");
  for (const char* body : {"{}", "null", R"({"metadata":{"labels":null}})", R"({"spec":{"unschedulable":null}})"}) {
    const Answer empty = patch("a", body);
    EXPECT_EQ(empty.status, 400) << body;
    EXPECT_EQ(empty.error(), "invalid input: at least one of spec.unschedulable or metadata.labels is required");
  }
  EXPECT_EQ(patch("a", R"({"metadata":{"labels":{"  ":"x"}}})").error(),
            "invalid input: metadata.labels key is required");
  EXPECT_EQ(patch("a", R"({"metadata":{"labels":{" ":null}}})").status, 400);
  EXPECT_THAT(patch("a", R"({"metadata":{"labels":{"zone":5}}})").error(), HasSubstr("metadata.labels.zone"));
  EXPECT_EQ(patch("a", R"({"spec":{"unschedulable":"yes"}})").status, 400);
  EXPECT_EQ(patch("a", R"({"metadata":{"labels":[]}})").status, 400);
}

TEST_F(NodesTest, labels_are_bounded) {
  ASSERT_EQ(register_node("a").status, 200);
  std::string many;
  for (std::size_t n = 0; n <= limits::kLabelsMax; ++n) {
    many += (n == 0 ? "\"" : ",\"") + std::to_string(n) + R"(":"")";
  }
  EXPECT_EQ(patch("a", R"({"metadata":{"labels":{)" + many + "}}}").error(),
            "invalid input: a node has at most 256 metadata.labels");
  const std::string long_text(limits::kLabelLengthMax + 1, 'v');
  EXPECT_THAT(register_node("b", R"(,"metadata":{"labels":{"k":")" + long_text + R"("}})").error(),
              HasSubstr("longer than 1024 bytes"));
  EXPECT_EQ(get("/api/v1/nodes/a").text("node", "metadata"), "{}");
}

TEST_F(NodesTest, a_cordon_changes_future_placement_only) {
  add_node();
  ASSERT_EQ(create("before").status, 201);
  run_for(std::chrono::seconds(1));
  ASSERT_EQ(patch("n", R"({"spec":{"unschedulable":true}})").status, 200);
  ASSERT_EQ(create("after").status, 201);
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("/api/v1/sandboxes?phase=Running").ids(), "before");
  ASSERT_EQ(patch("n", R"({"spec":{"unschedulable":false}})").status, 200);
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("/api/v1/sandboxes?phase=Running").ids(), "before after");
}

// ---- delete

TEST_F(NodesTest, are_deleted_with_and_without_force) {
  add_node();
  EXPECT_EQ(ask("DELETE", "/api/v1/nodes/n?force=false").body, R"({"deleted":"n"})");
  ASSERT_EQ(register_node("a").status, 200);
  const Answer unreachable = ask("DELETE", "/api/v1/nodes/a");
  EXPECT_EQ(unreachable.status, 500);
  EXPECT_EQ(unreachable.error(), "reconcile node a during delete: connection refused");
  EXPECT_EQ(ask("DELETE", "/api/v1/nodes/a?force=true").body, R"({"deleted":"a"})");
  const Answer unknown = ask("DELETE", "/api/v1/nodes/a");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.error(), "node not found");
  for (const char* force : {"1", "t", "T", "TRUE", "true", "True"}) {
    const Answer by_force = ask("DELETE", "/api/v1/nodes/%20a?force=" + std::string(force));
    EXPECT_EQ(by_force.status, 200) << force;
    EXPECT_EQ(by_force.text("deleted"), " a") << "the raw value";
  }
  for (const char* force : {"0", "f", "F", "FALSE", "false", "False", "", "%20"}) {
    EXPECT_EQ(ask("DELETE", "/api/v1/nodes/a?force=" + std::string(force)).status, 404) << force;
  }
  for (const char* force : {"yes", "not-bool", "tRUE", "2"}) {
    const Answer refused = ask("DELETE", "/api/v1/nodes/a?force=" + std::string(force));
    EXPECT_EQ(refused.status, 400) << force;
    EXPECT_EQ(refused.error(), "invalid force query; use true/false");
  }
  EXPECT_EQ(ask("DELETE", "/api/v1/nodes/%20").error(), "invalid input: id is required");
}

TEST_F(NodesTest, sandboxes_of_a_node_deleted_by_force_become_failed) {
  add_node();
  ASSERT_EQ(create("s").status, 201);
  run_for(std::chrono::seconds(1));
  ASSERT_EQ(ask("DELETE", "/api/v1/nodes/n?force=true").status, 200);
  const Answer left = get("/api/v1/sandboxes/s");
  EXPECT_EQ(left.text("sandbox", "status"), R"({"phase":"Failed","last_error":"node removed"})");
  // Without its node there is nobody to ask.
  EXPECT_EQ(ask("DELETE", "/api/v1/sandboxes/s").body, R"({"deleted":"s"})");
  EXPECT_EQ(get("/api/v1/sandboxes/s").status, 404);
  EXPECT_TRUE(model_->machine.contains(SandboxId("s"))) << "by force the node is not asked";
}

// ---- heartbeat

TEST_F(NodesTest, a_heartbeat_probes_and_counts) {
  add_node();
  const Answer first = ask("POST", "/api/v1/nodes/n/heartbeat");
  ASSERT_EQ(first.status, 200) << first.body;
  EXPECT_EQ(first.text("heartbeat"), "ok");
  EXPECT_EQ(first.text("resources", "allocatable_cpu_milli"), "4000");
  EXPECT_EQ(first.text("resources", "external"), "(none)");
  EXPECT_EQ(first.json("heartbeat_error"), nullptr);
  EXPECT_EQ(first.json("status_error"), nullptr);
  EXPECT_EQ(first.text("node", "id"), "n");
  EXPECT_EQ(node_->calls.at(0).path, "/healthz");
  EXPECT_EQ(node_->calls.at(1).path, "/v1/node/status");
  // Two failures in a row make a node NotReady, by hand too.
  node_->answer(500, "500 Internal Server Error", "");
  const Answer failed = ask("POST", "/api/v1/nodes/n/heartbeat");
  EXPECT_EQ(failed.status, 200);
  EXPECT_EQ(failed.text("heartbeat"), "failed");
  EXPECT_EQ(failed.text("heartbeat_error"), "sandboxd GET /healthz failed: 500 Internal Server Error");
  EXPECT_EQ(failed.text("status_error"), "sandboxd GET /v1/node/status failed: 500 Internal Server Error");
  EXPECT_EQ(failed.json("resources"), nullptr);
  EXPECT_EQ(failed.text("node", "state"), "Ready");
  EXPECT_EQ(failed.text("node", "failure_streak"), "1");
  EXPECT_EQ(failed.text("node", "last_error"), "sandboxd GET /healthz failed: 500 Internal Server Error");
  EXPECT_EQ(ask("POST", "/api/v1/nodes/n/heartbeat").text("node", "state"), "NotReady");
  EXPECT_EQ(get("/api/v1/nodes/n").text("node", "state"), "NotReady");
  node_->script = {};
  EXPECT_EQ(ask("POST", "/api/v1/nodes/n/heartbeat").text("node", "state"), "NotReady");
  EXPECT_EQ(ask("POST", "/api/v1/nodes/n/heartbeat").text("node", "state"), "Ready");
}

TEST_F(NodesTest, a_node_that_refuses_our_token_is_of_no_use) {
  add_node();
  node_->script = [](const ports::NodeCall& call) {
    ports::NodeAnswer answer;
    if (call.path == "/healthz") {
      answer.body = R"({"ok":true})";
    } else {
      answer.status = 401;
      answer.code = ErrorCode::unauthenticated;
      answer.body = R"({"error":"unauthorized"})";
    }
    return Result<ports::NodeAnswer>(answer);
  };
  const Answer probed = ask("POST", "/api/v1/nodes/n/heartbeat");
  EXPECT_EQ(probed.text("heartbeat"), "ok");
  EXPECT_EQ(probed.text("status_error"), R"(sandboxd GET /v1/node/status failed: {"error":"unauthorized"})");
  EXPECT_EQ(probed.text("node", "failure_streak"), "1");
}

TEST_F(NodesTest, an_unhealthy_or_silent_node_fails_its_heartbeat) {
  ASSERT_EQ(register_node("a").status, 200);
  const Answer refused = ask("POST", "/api/v1/nodes/a/heartbeat");
  EXPECT_EQ(refused.text("heartbeat"), "failed");
  EXPECT_EQ(refused.text("heartbeat_error"), "connection refused");
  add_node();
  node_->answer(200, "200 OK", R"({"ok":false})");
  EXPECT_EQ(ask("POST", "/api/v1/nodes/n/heartbeat").text("heartbeat_error"), "healthz not ok");
  node_->answer(200, "200 OK", "nonsense");
  EXPECT_THAT(ask("POST", "/api/v1/nodes/n/heartbeat").text("heartbeat_error"),
              StartsWith("decode sandboxd response: "));
  transport_.options.reset_after = std::chrono::hours(1);
  transport_.cut(7, true, true);
  EXPECT_THAT(ask("POST", "/api/v1/nodes/n/heartbeat").text("heartbeat_error"), HasSubstr("not done within 3000 ms"));
}

// ---- externals

TEST_F(NodesTest, an_external_is_bound_shown_changed_and_unbound) {
  add_node();
  ASSERT_EQ(create("s").status, 201);
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(bind(" e ", " n ", " 203.0.113.10 ").body, R"({"ok":true})");
  const Answer made = get("/api/v1/externals/e");
  EXPECT_THAT(made.body, StartsWith(R"({"external":{"id":"e","node_id":"n","external":"203.0.113.10","created_at":")"));
  EXPECT_EQ(get("/api/v1/nodes/n").text("node", "resources", "external"), "203.0.113.10");
  EXPECT_EQ(get("/api/v1/sandboxes/s").text("sandbox", "status", "external"), "203.0.113.10");
  ASSERT_EQ(create("t").status, 201);
  EXPECT_EQ(get("/api/v1/sandboxes/t").text("sandbox", "status", "external"), "203.0.113.10");
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(bind("e", "n", "box.example").status, 200) << "the same pair again changes the value";
  const Answer changed = get("/api/v1/externals/e");
  EXPECT_EQ(changed.text("external", "external"), "box.example");
  EXPECT_EQ(changed.text("external", "created_at"), made.text("external", "created_at"));
  EXPECT_NE(changed.text("external", "updated_at"), made.text("external", "updated_at"));
  EXPECT_EQ(ask("DELETE", "/api/v1/externals/e").body, R"({"deleted":"e"})");
  EXPECT_EQ(get("/api/v1/nodes/n").text("node", "resources", "external"), "(none)");
  EXPECT_EQ(get("/api/v1/sandboxes/s").text("sandbox", "status", "external"), "(none)");
  EXPECT_EQ(get("/api/v1/externals/e").error(), "external not found");
  EXPECT_EQ(ask("DELETE", "/api/v1/externals/e").status, 404);
}

TEST_F(NodesTest, externals_are_listed_by_id_and_go_with_their_node) {
  EXPECT_EQ(get("/api/v1/externals").body, R"({"items":[]})");
  for (const char* id : {"a", "b", "c"}) ASSERT_EQ(register_node(id).status, 200);
  ASSERT_EQ(bind("z", "a", "1").status, 200);
  ASSERT_EQ(bind("y", "b", "2").status, 200);
  EXPECT_EQ(get("/api/v1/externals").ids(), "y z");
  ASSERT_EQ(ask("DELETE", "/api/v1/nodes/b?force=true").status, 200);
  EXPECT_EQ(get("/api/v1/externals").ids(), "z");
  EXPECT_EQ(bind("y", "c", "3").status, 200) << "the id is free again";
}

TEST_F(NodesTest, externals_are_checked_in_the_documented_order) {
  ASSERT_EQ(register_node("a").status, 200);
  ASSERT_EQ(register_node("b").status, 200);
  EXPECT_EQ(ask("POST", "/api/v1/externals", "{").status, 400);
  EXPECT_EQ(ask("POST", "/api/v1/externals", "{}").error(), "invalid input: external id is required");
  EXPECT_EQ(bind("e", " ", "").error(), "invalid input: spec.node_id is required");
  EXPECT_EQ(bind("e", "x", " ").error(), "invalid input: spec.external is required");
  const Answer unknown = bind("e", "x", "1");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.error(), "invalid input: referenced node not found");
  EXPECT_EQ(bind("a/b", "a", "1").error(), "invalid input: external id contains unsupported characters");
  EXPECT_THAT(bind("e", "a", std::string(2000, 'x')).error(), HasSubstr("spec.external is longer than 1024 bytes"));
  ASSERT_EQ(bind("e", "a", "1").status, 200);
  ASSERT_EQ(bind("f", "b", "2").status, 200);
  const Answer taken = bind("e", "b", "3");
  EXPECT_EQ(taken.status, 409);
  EXPECT_EQ(taken.error(), "external object conflict: external id e already bound to node a") << "checked first";
  EXPECT_EQ(bind("g", "b", "3").error(), "external object conflict: node b already bound to external id f");
  EXPECT_EQ(get("/api/v1/externals/%20").error(), "invalid input: id is required");
  EXPECT_EQ(ask("DELETE", "/api/v1/externals/%20").error(), "invalid input: id is required");
  EXPECT_EQ(get("/api/v1/externals").ids(), "e f");
}

TEST_F(NodesTest, externals_survive_power_loss) {
  ASSERT_EQ(register_node("a").status, 200);
  ASSERT_EQ(bind("e", "a", "1").status, 200);
  const std::string before = get("/api/v1/externals").body;
  restart_after_power_loss();
  EXPECT_EQ(get("/api/v1/externals").body, before);
  EXPECT_EQ(bind("e2", "a", "1").status, 409);
}

}  // namespace
}  // namespace sandboxd::orch::sandboxd_o
