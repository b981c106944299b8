// Statuses and texts of the node's routes, as the digest of the original has them. What a request may hold is tested
// with codec/sbxlet_validate, what the agent does with it in agent_test.cpp.
#include "unit/node/routes_fixture.hpp"

#include <gmock/gmock.h>

namespace sandboxd::node {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

using Routes = RoutesFixture;

TEST_F(Routes, only_health_is_open) {
  EXPECT_EQ(get("/healthz"), (Answer{200, R"({"ok":true})", ""}));
  for (const auto& [method, path] : {std::pair{"GET", "/healthz"},
                                     {"GET", "/v1/node/status"},
                                     {"POST", "/v1/sandboxes"},
                                     {"GET", "/v1/sandboxes"},
                                     {"POST", "/v1/sandboxes/statuses"},
                                     {"GET", "/v1/sandboxes/a"},
                                     {"DELETE", "/v1/sandboxes/a"},
                                     {"GET", "/v1/sandboxes/a/logs"},
                                     {"GET", "/v1/sandboxes/a/containers/c/logs"},
                                     {"POST", "/v1/reconcile"},
                                     {"GET", "/v1/watch"}}) {
    const auto found = router_.find(method, path);
    ASSERT_TRUE(std::holds_alternative<http::Matched>(found)) << method << path;
    EXPECT_EQ(std::get<http::Matched>(found).route->needs_auth, path != std::string("/healthz")) << path;
  }
}

TEST_F(Routes, the_status_counts_what_sandboxes_use) {
  create_running("a");
  const Answer answer = get("/v1/node/status");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body,
              StartsWith(R"({"ok":true,"resources":{"capacity_cpu_milli":4000,"capacity_memory_bytes":4294967296,)"
                         R"("allocatable_cpu_milli":3600,"allocatable_memory_bytes":3865470566,"used_cpu_milli":100,)"
                         R"("used_memory_bytes":67108864,"available_cpu_milli":3500,)"
                         R"("available_memory_bytes":3798361702,"max_alloc_percent":90,"updated_at":")"));
}

TEST_F(Routes, a_create_answers_202_with_the_initial_state) {
  const Answer answer = post("/v1/sandboxes", create_body("a", R"(,"egress":true,"ports":[)"
                                                               R"({"hostPort":20000,"containerPort":80}])"));
  EXPECT_EQ(answer.status, 202);
  EXPECT_THAT(answer.body, StartsWith(R"({"sandbox":{"id":"a","phase":"creating","namespace":"k8s.io","ip":"",)"
                                      R"("subnetCIDR":"10.89.0.0/16","bridgeName":"sbx-br0","egress":true,)"
                                      R"("ports":[{"hostPort":20000,"containerPort":80,"protocol":"tcp"}],)"
                                      R"("containers":{"main":{"id":")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("name":"main","phase":"creating","image":"busybox",)"
                                     R"("resource":{"cpu":"100m","memory":"64Mi"},"taskPID":0,"runtime":"runsc"}})"));
}

TEST_F(Routes, an_empty_id_is_drawn) {
  const Answer answer = post("/v1/sandboxes", create_body(""));
  EXPECT_EQ(answer.status, 202);
  EXPECT_THAT(answer.body, MatchesRegex(R"(.*"id":"sbx-[0-9]+-[0-9]+-[0-9a-f]+","phase":"creating".*)"));
}

TEST_F(Routes, every_refused_create_is_400_and_names_its_code) {
  const auto create = [&](const std::string& body) { return post("/v1/sandboxes", body); };
  EXPECT_EQ(create("{").status, 400);
  EXPECT_EQ(create("{").code, "invalid_argument");
  EXPECT_EQ(create(create_body("a b")), error_answer(400, "id contains unsupported characters", "invalid_argument"));
  EXPECT_EQ(create(create_body("../a")), error_answer(400, "id contains invalid path characters", "invalid_argument"));
  EXPECT_EQ(create(R"({"id":"a"})"), error_answer(400, "at least one container is required", "invalid_argument"));
  EXPECT_EQ(create(create_body("a", R"(,"ports":[{"hostPort":80,"containerPort":80}])")),
            error_answer(400, "privileged host ports are not allowed: 80", "invalid_argument"));
  EXPECT_EQ(create(create_body("a", R"(,"readinessProbe":{"protocol":"tcp"})")),
            error_answer(400, "readinessProbe.port must be between 1 and 65535", "invalid_argument"));
  EXPECT_EQ(create(R"({"id":"a","containers":[{"name":"main","image":"i","resource":{"cpu":"x","memory":"1Mi"}}]})"),
            error_answer(400, "container main resource parse failed: invalid cpu: x", "invalid_argument"));
  EXPECT_EQ(get("/v1/sandboxes").body, R"({"items":[]})") << "nothing was changed";
}

TEST_F(Routes, admission_is_400_too) {
  const std::string port = R"(,"ports":[{"hostPort":20000,"containerPort":80}])";
  create_running("a", port);
  EXPECT_EQ(post("/v1/sandboxes", create_body("a")), error_answer(400, "sandbox already exists: a", "already_exists"));
  EXPECT_EQ(post("/v1/sandboxes", create_body("b", port)),
            error_answer(400, "host port already in use: 20000/tcp (sandbox a)", "resource_exhausted"));
  const auto sized = [&](const std::string& cpu, const std::string& memory) {
    return post("/v1/sandboxes", R"({"id":"b","containers":[{"name":"main","image":"i","resource":{"cpu":")" + cpu +
                                     R"(","memory":")" + memory + R"("}}]})");
  };
  EXPECT_EQ(sized("3501m", "1Mi"),
            error_answer(400, "insufficient cpu allocatable: requested=3501m used=100m limit=3600m (90% of host)",
                         "resource_exhausted"));
  EXPECT_EQ(sized("3500m", "4Gi"),
            error_answer(400,
                         "insufficient memory allocatable: requested=4294967296 used=67108864 limit=3865470566 "
                         "(90% of host)",
                         "resource_exhausted"));
  EXPECT_EQ(sized("3500m", "1Mi").status, 202) << "it fits exactly";
}

TEST_F(Routes, a_create_that_the_node_cannot_take_now_says_why) {
  disk_->faults.full = true;
  const Answer full = post("/v1/sandboxes", create_body("a"));
  EXPECT_EQ(full.status, 400);
  EXPECT_EQ(full.code, "storage_failed");
  disk_->faults.full = false;
  runtime_machine_->down = true;
  EXPECT_EQ(ask("POST", "/v1/reconcile").status, 500);
  const Answer down = post("/v1/sandboxes", create_body("a"));
  EXPECT_EQ(down.status, 400);
  EXPECT_EQ(down.code, "unavailable");
  EXPECT_THAT(down.body, HasSubstr("containerd does not answer"));
  runtime_machine_->down = false;
  EXPECT_EQ(ask("POST", "/v1/reconcile"), (Answer{200, R"({"ok":true})", ""}));
  EXPECT_EQ(post("/v1/sandboxes", create_body("a")).status, 202);
}

TEST_F(Routes, a_create_after_its_delete_is_a_conflict) {
  const std::string uid = std::string(32, 'c');
  EXPECT_EQ(ask("DELETE", "/v1/sandboxes/a?uid=" + uid), (Answer{200, R"({"id":"a","phase":"deleted"})", ""}));
  EXPECT_EQ(post("/v1/sandboxes", create_body("a", R"(,"uid":")" + uid + R"(")")),
            error_answer(400, "sandbox a was deleted: this create comes too late", "conflict"));
}

TEST_F(Routes, a_list_has_pages_in_the_order_of_ids) {
  EXPECT_EQ(get("/v1/sandboxes"), (Answer{200, R"({"items":[]})", ""}));
  for (const char* id : {"c", "a", "b"}) create_running(id);
  const auto ids = [&](const std::string& query) {
    const Answer page = get("/v1/sandboxes" + query);
    EXPECT_EQ(page.status, 200);
    std::string out;
    for (const char* id : {"a", "b", "c"}) {
      if (page.body.find(R"({"id":")" + std::string(id) + R"(","phase")") != std::string::npos) out += id;
    }
    const auto next = page.body.find(R"("next_cursor":")");
    return next == std::string::npos ? out : out + ">" + page.body.substr(next + 15, 1);
  };
  EXPECT_EQ(ids(""), "abc");
  EXPECT_EQ(ids("?limit=2"), "ab>b");
  EXPECT_EQ(ids("?limit=2&cursor=b"), "c");
  EXPECT_EQ(ids("?limit=3"), "abc") << "no cursor at the end";
  EXPECT_EQ(ids("?cursor=c"), "");
  EXPECT_EQ(ids("?cursor=aa"), "bc") << "a cursor need not be an id";
  for (const char* bad : {"0", "-1", "x", "2x", "", "99999999999999999999"}) {
    EXPECT_EQ(ids("?limit=" + std::string(bad)), "abc") << bad << " reads as the default";
  }
}

TEST_F(Routes, pages_and_statuses_follow_every_change) {
  create_running("a");
  const auto shows = [&](const std::string& text) {
    EXPECT_THAT(get("/v1/sandboxes").body, HasSubstr(text));
    EXPECT_THAT(post("/v1/sandboxes/statuses", R"({"ids":["a"]})").body, HasSubstr(text));
  };
  shows(R"("phase":"running")");
  shows(R"("phase":"running")");
  ASSERT_EQ(post("/v1/sandboxes/a/pause", "").status, 200);
  shows(R"("phase":"paused")");
  ASSERT_EQ(post("/v1/sandboxes/a/resume", "").status, 200);
  shows(R"("phase":"running")");
}

TEST_F(Routes, one_sandbox) {
  EXPECT_EQ(get("/v1/sandboxes/a"), error_answer(404, "not found", "not_found"));
  EXPECT_EQ(get("/v1/sandboxes/a%24"), error_answer(500, "id contains unsupported characters", "invalid_argument"));
  create_running("a");
  const Answer running = get("/v1/sandboxes/a");
  EXPECT_EQ(running.status, 200);
  EXPECT_THAT(running.body,
              MatchesRegex(R"(\{"sandbox":\{"id":"a","phase":"running","namespace":"k8s.io","ip":"10\.89\..*)"));
  EXPECT_THAT(running.body, HasSubstr(R"("image":"docker.io/library/busybox:latest")"));
  EXPECT_THAT(running.body, Not(HasSubstr(R"("taskPID":0)")));
}

TEST_F(Routes, a_pull_is_seen_while_it_is_on) {
  ASSERT_EQ(post("/v1/sandboxes", create_body("a")).status, 202);
  ASSERT_TRUE(run_until([&] { return !agent_->pulls(SandboxId("a")).empty(); }));
  EXPECT_THAT(get("/v1/sandboxes/a").body,
              HasSubstr(R"("pulls":[{"image":"docker.io/library/busybox:latest","layersDone":0,"layersTotal":1,)"));
  ASSERT_TRUE(settle("a"));
  const Answer running = get("/v1/sandboxes/a");
  EXPECT_THAT(running.body, Not(HasSubstr("pulls")));
  EXPECT_THAT(running.body, HasSubstr(R"("imageDigest":"sha256:)"));
}

TEST_F(Routes, a_node_of_pinned_images_says_so) {
  agent_->use_image_policy("pinned");
  const Answer answer = post("/v1/sandboxes", create_body("a"));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.code, "invalid_argument");
  EXPECT_THAT(answer.body, HasSubstr("this node's image_policy accepts only images named with their digest"));
}

TEST_F(Routes, a_failed_one_keeps_its_reason) {
  runtime_machine_->missing_images.insert("busybox");
  ASSERT_EQ(post("/v1/sandboxes", create_body("a")).status, 202);
  ASSERT_TRUE(settle("a"));
  EXPECT_THAT(get("/v1/sandboxes/a").body, StartsWith(R"({"sandbox":{"id":"a","phase":"error","error":"pull image \")"
                                                      R"(docker.io/library/busybox:latest\")"));
}

TEST_F(Routes, statuses_are_in_the_order_of_the_request) {
  create_running("a");
  create_running("b");
  const Answer answer = post("/v1/sandboxes/statuses", R"({"ids":[" b ","z","a","b","","y"]})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body,
              MatchesRegex(R"(\{"items":\[\{"id":"b","ip":.*\{"id":"a","ip":.*\],"missing":\["y","z"\]\})"));
  EXPECT_EQ(post("/v1/sandboxes/statuses", R"({"ids":[]})"), (Answer{200, R"({"items":[]})", ""}));
  EXPECT_EQ(post("/v1/sandboxes/statuses", R"({"ids":["a/b"]})"),
            error_answer(500, "id contains invalid path characters", "invalid_argument"));
  EXPECT_EQ(post("/v1/sandboxes/statuses", "[").status, 400);
}

TEST_F(Routes, at_most_200_statuses_after_blanks_and_doubles_are_gone) {
  const auto ids = [](int count) {
    std::string text = R"({"ids":[" ","x0","x0")";
    for (int i = 1; i < count; ++i) text += R"(,"x)" + std::to_string(i) + R"(")";
    return text + "]}";
  };
  EXPECT_EQ(post("/v1/sandboxes/statuses", ids(200)).status, 200);
  EXPECT_EQ(post("/v1/sandboxes/statuses", ids(201)), error_answer(400, "too many ids (max 200)", "invalid_argument"));
}

TEST_F(Routes, a_delete_succeeds_also_for_what_is_not_there) {
  const Answer deleted{200, R"({"id":"a","phase":"deleted"})", ""};
  EXPECT_EQ(ask("DELETE", "/v1/sandboxes/a"), deleted);
  create_running("a");
  EXPECT_EQ(ask("DELETE", "/v1/sandboxes/a?uid=" + std::string(32, 'f')), deleted);
  EXPECT_EQ(phase("a"), model::Phase::running) << "another life was meant";
  EXPECT_EQ(ask("DELETE", "/v1/sandboxes/a"), deleted);
  EXPECT_EQ(get("/v1/sandboxes/a").status, 404);
  EXPECT_EQ(ask("DELETE", "/v1/sandboxes/a%24b"),
            error_answer(500, "id contains unsupported characters", "invalid_argument"));
}

TEST_F(Routes, a_delete_that_nobody_waits_for_is_answered_when_it_is_recorded) {
  create_running("a");
  runtime_machine_->down = true;  // the clean-up cannot end
  const Answer deleting{202, R"({"id":"a","phase":"deleting"})", ""};
  EXPECT_EQ(ask("DELETE", "/v1/sandboxes/a?wait=false"), deleting);
  EXPECT_EQ(ask("DELETE", "/v1/sandboxes/a?wait=false"), deleting) << "asked again";
  EXPECT_THAT(get("/v1/sandboxes/a").body, HasSubstr(R"("phase":"deleting")"));
  runtime_machine_->down = false;
  EXPECT_EQ(post("/v1/sandboxes", create_body("a")).status, 202) << "a create of the id waits for the end";
  EXPECT_EQ(ask("DELETE", "/v1/sandboxes/b?wait=false"), (Answer{200, R"({"id":"b","phase":"deleted"})", ""}));
  EXPECT_EQ(ask("DELETE", "/v1/sandboxes/a?wait=no"),
            error_answer(400, "wait must be true or false, not no", "invalid_argument"));
}

TEST_F(Routes, a_delete_that_cannot_be_recorded_is_500) {
  create_running("a");
  disk_->faults.full = true;
  const Answer answer = ask("DELETE", "/v1/sandboxes/a");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.code, "storage_failed");
  EXPECT_EQ(phase("a"), model::Phase::running);
  disk_->faults.full = false;
}

TEST_F(Routes, a_container_log_is_verbatim) {
  create_running("a");
  const std::string path = "/v1/sandboxes/a/containers/main/logs";
  EXPECT_EQ(get(path), (Answer{200, R"({"sandbox_id":"a","container":"main","logs":{"lines":[]}})", ""}));
  output_machine_->print(SandboxId("a"), "main", "2026-01-02T03:04:05.000000006Z stdout P one");
  output_machine_->print(SandboxId("a"), "main", "2026-01-02T03:04:05.000000007Z stderr F \"two\"");
  EXPECT_EQ(get(path), (Answer{200,
                               R"({"sandbox_id":"a","container":"main","logs":{"lines":[)"
                               R"("2026-01-02T03:04:05.000000006Z stdout P one",)"
                               R"("2026-01-02T03:04:05.000000007Z stderr F \"two\""]}})",
                               ""}));
}

TEST_F(Routes, a_sandbox_log_has_all_containers_in_the_order_of_time) {
  ASSERT_EQ(post("/v1/sandboxes", R"({"id":"a","containers":[)"
                                  R"({"name":"x","image":"i","resource":{"cpu":"1m","memory":"1Mi"}},)"
                                  R"({"name":"y","image":"i","resource":{"cpu":"1m","memory":"1Mi"}}]})")
                .status,
            202);
  ASSERT_TRUE(settle("a"));
  EXPECT_EQ(get("/v1/sandboxes/a/logs"), (Answer{200, R"({"sandbox_id":"a","logs":{"lines":[]}})", ""}));
  output_machine_->print(SandboxId("a"), "x", "2026-01-02T03:04:06Z stdout F later");
  output_machine_->print(SandboxId("a"), "x", "no time");
  output_machine_->print(SandboxId("a"), "y", "2026-01-02T03:04:05Z stdout F earlier");
  EXPECT_EQ(get("/v1/sandboxes/a/logs"),
            (Answer{200,
                    R"({"sandbox_id":"a","logs":{"lines":["[y] 2026-01-02T03:04:05Z stdout F earlier",)"
                    R"("[x] 2026-01-02T03:04:06Z stdout F later","[x] no time"]}})",
                    ""}));
}

TEST_F(Routes, logs_that_cannot_be_read) {
  create_running("a");
  const Answer missing = error_answer(404, "logs not found", "not_found");
  EXPECT_EQ(get("/v1/sandboxes/b/logs"), missing);
  EXPECT_EQ(get("/v1/sandboxes/b/containers/main/logs"), missing);
  EXPECT_EQ(get("/v1/sandboxes/a/containers/other/logs"), missing);
  EXPECT_EQ(get("/v1/sandboxes/a/containers/a%24b/logs"), missing) << "a wrong container name is an unknown one";
  EXPECT_EQ(get("/v1/sandboxes/a/containers/%20/logs"), missing);
  const Answer invalid = error_answer(500, "failed to read logs", "invalid_argument");
  EXPECT_EQ(get("/v1/sandboxes/a%24b/logs"), invalid);
  EXPECT_EQ(get("/v1/sandboxes/a%24b/containers/main/logs"), invalid);
  for (const char* path : {"/v1/sandboxes/a/logs", "/v1/sandboxes/a/containers/main/logs"}) {
    output_->fail("read", 1, Error(ErrorCode::too_large, "33 MB"));
    EXPECT_EQ(get(path), error_answer(413, "logs too large", "too_large"));
    output_->fail("read", 1, Error(ErrorCode::storage_failed, "/var/lib: I/O error"));
    EXPECT_EQ(get(path), error_answer(500, "failed to read logs", "storage_failed")) << "paths are not told";
  }
}

class RoutesWatch : public RoutesFixture {
 protected:
  std::string next(const http::Response& response) {
    const auto piece = run(response.stream->next());
    return piece.value_or("the end");
  }
};

TEST_F(RoutesWatch, begins_with_what_is_there_and_goes_on_with_changes) {
  create_running("a");
  const http::Response response = respond("GET", "/v1/watch");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/event-stream");
  EXPECT_THAT(response.headers, testing::Contains(testing::Pair("Cache-Control", "no-store")));
  // What is there already comes in one piece.
  EXPECT_THAT(next(response), MatchesRegex("event: report\ndata: [^\n]*\n\n"
                                           "event: sandbox\ndata: \\{\"id\":\"a\",[^\n]*\"phase\":\"running\"[^\n]*\n\n"
                                           "event: snapshot_end\n[^\n]*\n\n"));
  ASSERT_EQ(ask("DELETE", "/v1/sandboxes/a").status, 200);
  EXPECT_THAT(next(response), MatchesRegex("event: sandbox\ndata: [^\n]*\"phase\":\"deleting\"[^\n]*\n\n"
                                           "event: gone\ndata: \\{\"id\":\"a\"[^\n]*\n\n"
                                           "event: report\ndata: [^\n]*\n\n"));
}

TEST_F(RoutesWatch, much_comes_in_pieces_of_a_bounded_size) {
  const http::Response response = respond("GET", "/v1/watch");
  for (int i = 0; i < 30; ++i) create_running("sandbox-" + std::to_string(i));
  ASSERT_EQ(ask("DELETE", "/v1/sandboxes/sandbox-29").status, 200);
  std::string all;
  std::size_t pieces = 0;
  while (all.find("event: gone\n") == std::string::npos) {
    const std::string piece = next(response);
    EXPECT_LT(piece.size(), 17 * 1024U);
    all += piece;
    ++pieces;
  }
  EXPECT_GT(pieces, 1U);
  std::size_t events = 0;
  for (std::size_t at = all.find("event: sandbox\n"); at != std::string::npos; ++events)
    at = all.find("event: sandbox\n", at + 1);
  EXPECT_EQ(events, 30U * 2 + 1);  // creating and running, and one is deleted
}

TEST_F(RoutesWatch, ends_with_the_agent) {
  const http::Response response = respond("GET", "/v1/watch");
  next(response);
  stop_agent();
  EXPECT_EQ(next(response), "the end");
}

TEST_F(RoutesWatch, too_many_are_refused) {
  std::vector<http::Response> watches;
  http::Response answer = respond("GET", "/v1/watch");
  while (answer.status == 200 && watches.size() < 10'000) {
    watches.push_back(std::move(answer));
    answer = respond("GET", "/v1/watch");
  }
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.stream, nullptr);
  EXPECT_THAT(answer.headers, testing::Contains(testing::Pair("X-Sandboxd-Error", "resource_exhausted")));
}

}  // namespace
}  // namespace sandboxd::node
