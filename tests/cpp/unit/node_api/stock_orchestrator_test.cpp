// A stock sandboxd-o orchestrator drives our node: its calls in its order and spelling, against the real router and the
// real agent on a simulated machine.
#include "codec/json.hpp"
#include "http/router.hpp"
#include "node/api/sbxlet_routes.hpp"
#include "unit/node/node_fixture.hpp"

namespace sandboxd::node {
namespace {

namespace json = codec::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

// As the program marshals it: every member of its structures, absent lists as null.
constexpr const char* kCreate = R"({"id":"web-1","egress":true,
  "ports":[{"hostPort":20001,"containerPort":80,"protocol":"tcp"},{"hostPort":20002,"containerPort":53,"protocol":"udp"}],
  "volumes":null,
  "containers":[{"name":"app","image":"nginx","args":null,"env":["A=1"],"workDir":"/srv","capAdd":["NET_RAW"],
    "capDrop":null,"securityOpt":["no-new-privileges:true"],"readOnly":true,
    "tmpfs":null,"volumeMounts":null,
    "resource":{"cpu":"500m","memory":"512Mi","ephemeralStorage":""}},
   {"name":"side","image":"busybox","args":["sleep","600"],"env":null,
    "resource":{"cpu":"100m","memory":"64Mi"}}],
  "readinessProbe":{"protocol":"tcp","port":80,"path":"","initialDelaySeconds":1,"periodSeconds":1,"timeoutSeconds":1,
    "successThreshold":1,"failureThreshold":3}})";

std::string plain_create(const std::string& id, int port) {
  return R"({"id":")" + id + R"(","egress":false,"ports":[{"hostPort":)" + std::to_string(port) +
         R"(,"containerPort":80,"protocol":"tcp"}],"volumes":null,"containers":[{"name":"app","image":"nginx",)"
         R"("args":null,"env":null,"resource":{"cpu":"100m","memory":"64Mi"}}],"readinessProbe":null})";
}

class StockOrchestratorTest : public NodeFixture {
 protected:
  void SetUp() override {
    start_agent();
    ASSERT_TRUE(add_sbxlet_routes(router_, *agent_, {}));
  }

  struct Answer {
    int status = 0;
    json::value body;
  };
  Answer call(const std::string& method, const std::string& path, std::string body) {
    const auto found = router_.find(method, path);
    const auto* matched = std::get_if<http::Matched>(&found);
    if (matched == nullptr) return {404, nullptr};
    http::Request request;
    request.method = method;
    request.path = request.target = path;
    request.parameters = matched->parameters;
    request.body = std::move(body);
    const http::Response response = answer(matched->route->handler(std::move(request)));
    return {response.status, json::parse(response.body)};
  }
  http::Response answer(Task<http::Response> task) {
    std::optional<http::Response> out;
    boost::asio::co_spawn(context_, std::move(task),
                          [&](std::exception_ptr, http::Response response) { out = std::move(response); });
    run_until([&] { return out.has_value(); });
    return std::move(out).value();
  }
  Answer get(const std::string& path) { return call("GET", path, ""); }
  Answer post(const std::string& path, std::string body) { return call("POST", path, std::move(body)); }
  Answer remove(const std::string& id) { return call("DELETE", "/v1/sandboxes/" + id, ""); }
  Answer statuses(const std::string& ids) { return post("/v1/sandboxes/statuses", R"({"ids":[)" + ids + "]}"); }

  // The orchestrator's background task after a create: at most ten looks, 200 ms apart, until there is an address.
  std::string learn_address(const std::string& id) {
    for (int look = 0; look < 10; ++look) {
      const Answer seen = statuses("\"" + id + "\"");
      const json::object& item = seen.body.at("items").as_array().at(0).as_object();
      if (item.contains("ip")) return std::string(item.at("ip").as_string());
      pass(milliseconds(200));
    }
    return {};
  }

  http::Router router_;
};

TEST_F(StockOrchestratorTest, a_life_as_the_orchestrator_drives_it) {
  // Heartbeat and resource sync.
  EXPECT_EQ(get("/healthz").body, json::parse(R"({"ok":true})"));
  const Answer status = get("/v1/node/status");
  EXPECT_EQ(status.status, 200);
  EXPECT_TRUE(status.body.at("ok").as_bool());
  for (const char* field :
       {"capacity_cpu_milli", "capacity_memory_bytes", "allocatable_cpu_milli", "allocatable_memory_bytes",
        "used_cpu_milli", "used_memory_bytes", "available_cpu_milli", "available_memory_bytes", "max_alloc_percent"}) {
    EXPECT_TRUE(status.body.at("resources").as_object().at(field).is_int64()) << field;
  }
  EXPECT_TRUE(status.body.at("resources").as_object().at("updated_at").is_string());

  // Create, the look for an address, status sync.
  const Answer created = post("/v1/sandboxes", kCreate);
  ASSERT_EQ(created.status, 202) << json::serialize(created.body);
  EXPECT_EQ(created.body.at("sandbox").at("phase").as_string(), "creating");
  const auto request = agent_->get(SandboxId("web-1"));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->uid.size(), 32U) << "drawn by the node: a stock orchestrator sends none";
  EXPECT_EQ(request->spec.containers.at(0).work_dir, "/srv");
  EXPECT_TRUE(request->spec.containers.at(0).read_only);
  EXPECT_EQ(request->ports.size(), 2U);
  learn_address("web-1");
  ASSERT_TRUE(settle("web-1"));
  const Answer synced = statuses(R"("web-1","never-made")");
  const json::object& item = synced.body.at("items").as_array().at(0).as_object();
  EXPECT_EQ(item.at("phase").as_string(), "running");
  EXPECT_FALSE(item.at("ip").as_string().empty());
  EXPECT_FALSE(item.contains("error"));
  EXPECT_FALSE(item.contains("unhealthy_containers"));
  EXPECT_EQ(synced.body.at("missing"), json::parse(R"(["never-made"])"));
  EXPECT_EQ(get("/v1/node/status").body.at("resources").at("used_cpu_milli").as_int64(), 600);

  // Delete, and again, since the finalizer repeats what it is not sure of.
  for (int time = 0; time < 2; ++time) {
    const Answer removed = remove("web-1");
    EXPECT_EQ(removed.status, 200);
    EXPECT_EQ(removed.body, json::parse(R"({"id":"web-1","phase":"deleted"})"));
  }
  EXPECT_EQ(statuses(R"("web-1")").body, json::parse(R"({"items":[],"missing":["web-1"]})"));
  EXPECT_EQ(post("/v1/reconcile", "").body, json::parse(R"({"ok":true})"));
  EXPECT_EQ(get("/v1/node/status").body.at("resources").at("used_cpu_milli").as_int64(), 0);
  expect_clean_machine();
}

TEST_F(StockOrchestratorTest, the_id_may_live_again_at_once_after_its_delete) {
  for (int life = 0; life < 3; ++life) {
    ASSERT_EQ(post("/v1/sandboxes", plain_create("again", 20001)).status, 202) << life;
    if (life != 1) settle("again");
    ASSERT_EQ(remove("again").status, 200);
  }
  expect_clean_machine();
}

TEST_F(StockOrchestratorTest, refusals_are_400_in_the_originals_words) {
  ASSERT_EQ(post("/v1/sandboxes", plain_create("a", 20001)).status, 202);
  const auto refusal = [&](const std::string& body) {
    const Answer answer = post("/v1/sandboxes", body);
    EXPECT_EQ(answer.status, 400);
    return std::string(answer.body.at("error").as_string());
  };
  EXPECT_EQ(refusal(plain_create("a", 20002)), "sandbox already exists: a");
  EXPECT_EQ(refusal(plain_create("b", 20001)), "host port already in use: 20001/tcp (sandbox a)");
  std::string large = plain_create("c", 20003);
  large.replace(large.find("100m"), 4, "9000");
  EXPECT_TRUE(refusal(large).starts_with("insufficient cpu allocatable: requested=9000000m used=100m limit="));
  EXPECT_FALSE(agent_->get(SandboxId("c")));
}

TEST_F(StockOrchestratorTest, a_failed_sandbox_is_still_there_for_the_next_sync) {
  runtime_machine_->missing_images.insert("nginx");
  ASSERT_EQ(post("/v1/sandboxes", plain_create("a", 20001)).status, 202);
  ASSERT_TRUE(settle("a"));
  // The original's node forgets it within half a minute, sooner than its orchestrator may look.
  pass(std::chrono::minutes(10));
  const Answer synced = statuses(R"("a")");
  const json::object& item = synced.body.at("items").as_array().at(0).as_object();
  EXPECT_EQ(item.at("phase").as_string(), "error");
  EXPECT_FALSE(item.at("error").as_string().empty());
  EXPECT_EQ(remove("a").status, 200);
}

TEST_F(StockOrchestratorTest, a_batch_keeps_the_original_bounds) {
  std::string ids;
  for (int n = 0; n < 200; ++n) ids += (n == 0 ? "\"" : ",\"") + ("s" + std::to_string(n)) + "\"";
  EXPECT_EQ(statuses(ids).status, 200);
  EXPECT_EQ(statuses(ids + ",\"one-more\"").body.at("error").as_string(), "too many ids (max 200)");
  EXPECT_EQ(statuses(R"("a/b")").status, 500);
  EXPECT_EQ(statuses("").body, json::parse(R"({"items":[]})"));
}

}  // namespace
}  // namespace sandboxd::node
