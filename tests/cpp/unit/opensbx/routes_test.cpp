// The dialect's real routes over the real engine and services, with a simulated node that answers as a test says.
#include "orch/api/opensbx/routes.hpp"

#include "unit/orch_api/api_fixture.hpp"

namespace sandboxd::orch::opensbx {
namespace {

using testing::HasSubstr;

constexpr const char* kImages =
    R"({"items":[{"digest":"sha256:ab","names":["docker.io/library/node:22"],"sizeBytes":7}]})";
constexpr const char* kCommand =
    R"({"command":{"id":"cmd_1","sandbox_id":"ID","container":"main","argv":["pwd"],"labels":{"opensbx/args":"null"},)"
    R"("started_at":"2026-01-02T03:04:05Z"}})";
constexpr const char* kEnded =
    R"({"command":{"id":"cmd_1","sandbox_id":"ID","container":"main","argv":["pwd"],"labels":{"opensbx/args":"null"},)"
    R"("started_at":"2026-01-02T03:04:05Z","finished_at":"2026-01-02T03:04:06Z","exit_code":0}})";

struct Seen {
  int status = 0;
  std::string body;
  std::string type;
};

class OpensbxRoutes : public sandboxd_o::ApiTest {
 protected:
  OpensbxRoutes() {
    EXPECT_TRUE(add_routes(*router_, opensbx_));
    node_->script = [this](const ports::NodeCall& call) { return answer(call); };
  }
  ~OpensbxRoutes() override {
    run(images_.stop());
    run(operations_.join());
  }

  // By the beginning of "METHOD /path", the longest that fits; 404 else.
  Result<ports::NodeAnswer> answer(const ports::NodeCall& call) {
    const std::string name = call.method + " " + call.path;
    ports::NodeAnswer out;
    out.status = 404;
    out.code = ErrorCode::not_found;
    out.body = R"({"error":"not found"})";
    std::size_t best = 0;
    for (const auto& [prefix, told] : answers_) {
      if (name.starts_with(prefix) && prefix.size() >= best) {
        best = prefix.size();
        out = told;
      }
    }
    return out;
  }
  void tell(const std::string& prefix, std::string body, int status = 200, ErrorCode code = ErrorCode::internal) {
    ports::NodeAnswer out;
    out.status = status;
    out.code = code;
    out.body = std::move(body);
    answers_[prefix] = std::move(out);
  }

  Seen call(const std::string& method, const std::string& target, std::string body = {}) {
    http::Request request;
    request.method = method;
    EXPECT_TRUE(http::set_target(request, target)) << target;
    request.body = std::move(body);
    auto found = router_->find(method, request.path);
    auto* matched = std::get_if<http::Matched>(&found);
    if (matched == nullptr) {
      ADD_FAILURE() << "no route " << method << " " << target;
      return {};
    }
    request.parameters = matched->parameters;
    http::Response response = run(matched->route->handler(std::move(request)));
    Seen out{response.status, response.body, response.content_type};
    while (response.stream) {
      const auto piece = run(response.stream->next());
      if (!piece) break;
      out.body += *piece;
    }
    return out;
  }
  std::string error(const Seen& seen, int status) {
    EXPECT_EQ(seen.status, status) << seen.body;
    EXPECT_EQ(seen.type, "application/json; charset=utf-8");
    return codec::json::parse(seen.body).at("message").as_string().c_str();
  }

  // A running one.
  std::string create(const std::string& more = {}) {
    tell("GET /v1/images", kImages);
    const Seen made = call("POST", "/v1/sandboxes", R"({"image":"node:22")" + more + "}");
    EXPECT_EQ(made.status, 201) << made.body;
    id_ = codec::json::parse(made.body).at("id").as_string().c_str();
    return made.body;
  }
  std::string path(const std::string& rest = {}) { return "/v1/sandboxes/" + id_ + rest; }
  std::string node_path(const std::string& rest = {}) { return "/v1/sandboxes/" + id_ + rest; }
  std::string with_id(std::string text) { return text.replace(text.find("\"ID\""), 4, "\"" + id_ + "\""); }

  std::map<std::string, ports::NodeAnswer> answers_;
  std::string id_;
  std::uint64_t entropy_ = 0;
  ImageService images_{context_.get_executor(), *service_, transport_, clock_};
  GuestService guests_{*service_, transport_};
  Operations operations_{context_.get_executor(), *engine_, clock_};
  Context opensbx_{*service_, guests_, images_, operations_, clock_, {}, [this] { return ++entropy_ << 40; }};
};

TEST_F(OpensbxRoutes, an_empty_list_says_so) {
  EXPECT_EQ(call("GET", "/v1/sandboxes").body, R"({"message":"no sandboxes found","sandboxes":[]})");
}

TEST_F(OpensbxRoutes, health_needs_a_node) {
  const Seen without = call("GET", "/v1/health");
  EXPECT_EQ(without.status, 503);
  EXPECT_EQ(without.body, R"({"error":"no node is ready","status":"unhealthy"})");
  add_node();
  EXPECT_EQ(call("GET", "/v1/health").body, R"({"status":"healthy"})");
}

TEST_F(OpensbxRoutes, a_create_answers_when_it_runs) {
  add_node();
  const std::string body = create(R"(,"ports":["8080","3000/tcp"],"timeout":60)");
  EXPECT_THAT(body,
              testing::MatchesRegex(R"(\{"id":"[0-9a-f]{64}","name":"[a-z]+-[a-z]+","ports":\["3000/tcp","8080/tcp"\],)"
                                    R"("url":"http://[a-z-]+\.localhost"\})"));
  const Seen detail = call("GET", path());
  EXPECT_THAT(detail.body, HasSubstr(R"("status":"running","running":true,"ports":["3000/tcp","8080/tcp"],)"
                                     R"("resources":{"memory":1024,"cpus":1})"));
  EXPECT_THAT(detail.body, HasSubstr(R"("expires_at":)"));
  EXPECT_THAT(call("GET", path("/network")).body, HasSubstr(R"({"main_port":"8080/tcp","ports_map":{"3000/tcp":")"));
  EXPECT_EQ(call("DELETE", path()).status, 204);
  EXPECT_EQ(error(call("GET", path()), 404), "sandbox not found");
  EXPECT_EQ(call("DELETE", path()).status, 204) << "also when it is gone";
}

TEST_F(OpensbxRoutes, an_image_that_no_node_has_is_not_pulled) {
  add_node();
  tell("GET /v1/images", kImages);
  EXPECT_EQ(error(call("POST", "/v1/sandboxes", R"({"image":"other:1"})"), 400),
            "image not found locally, use POST /v1/images/pull to download it first");
}

TEST_F(OpensbxRoutes, a_create_that_finds_no_room_leaves_nothing) {
  add_node();
  tell("GET /v1/images", kImages);
  opensbx_.settings.request_percent = 100;
  const Seen refused = call("POST", "/v1/sandboxes", R"({"image":"node:22","resources":{"memory":8192}})");
  EXPECT_THAT(error(refused, 500), HasSubstr("no node fits"));
  EXPECT_EQ(call("GET", "/v1/sandboxes").body, R"({"message":"no sandboxes found","sandboxes":[]})");
}

TEST_F(OpensbxRoutes, names_and_beginnings_of_ids_stand_for_a_sandbox) {
  add_node();
  const std::string name = codec::json::parse(create()).at("name").as_string().c_str();
  for (const std::string& reference : {name, id_.substr(0, 12), id_}) {
    EXPECT_EQ(call("GET", "/v1/sandboxes/" + reference).body, call("GET", path()).body) << reference;
  }
  EXPECT_EQ(error(call("GET", "/v1/sandboxes/" + id_.substr(0, 11)), 404), "sandbox not found");
}

TEST_F(OpensbxRoutes, a_command_is_begun_on_the_node) {
  add_node();
  create();
  tell("POST " + node_path("/commands"), with_id(kCommand), 201);
  const Seen begun = call("POST", path("/cmd"), R"({"command":"pwd"})");
  EXPECT_EQ(begun.body, R"({"command":{"id":"cmd_1","name":"pwd","args":null,"cwd":"","sandbox_id":")" + id_ +
                            R"(","started_at":1767323045000}})");
  EXPECT_THAT(node_->calls.back().body, HasSubstr(R"("argv":["pwd"])"));
}

TEST_F(OpensbxRoutes, waiting_is_two_lines) {
  add_node();
  create();
  tell("POST " + node_path("/commands"), with_id(kCommand), 201);
  tell("GET " + node_path("/commands/cmd_1"), with_id(kEnded));
  const Seen waited = call("POST", path("/cmd?wait=true"), R"({"command":"pwd"})");
  EXPECT_EQ(waited.type, "application/x-ndjson");
  const std::size_t end = waited.body.find('\n');
  EXPECT_EQ(waited.body.substr(0, end).find("exit_code"), std::string::npos);
  EXPECT_THAT(waited.body.substr(end + 1), HasSubstr(R"("exit_code":0,)"));
  EXPECT_THAT(waited.body.substr(end + 1), HasSubstr("\"finished_at\":1767323046000}}\n"));
}

TEST_F(OpensbxRoutes, only_the_exact_word_switches_on) {
  add_node();
  create();
  tell("GET " + node_path("/commands/cmd_1"), with_id(kEnded));
  for (const char* value : {"1", "TRUE", "yes", ""}) {
    EXPECT_EQ(call("GET", path("/cmd/cmd_1?wait=") + value).type, "application/json; charset=utf-8") << value;
  }
}

TEST_F(OpensbxRoutes, unknown_and_finished_commands) {
  add_node();
  create();
  for (const char* rest : {"", "/logs", "/logs?stream=true"}) {
    EXPECT_EQ(error(call("GET", path("/cmd/cmd_2") + rest), 404), "command not found") << rest;
  }
  EXPECT_EQ(error(call("POST", path("/cmd/cmd_2/kill"), R"({"signal":9})"), 404), "command not found");
  tell("GET " + node_path("/commands/cmd_1"), with_id(kEnded));
  EXPECT_EQ(error(call("POST", path("/cmd/cmd_1/kill"), R"({"signal":9})"), 409), "command has already finished");
  tell("GET " + node_path("/commands"), R"({"items":[]})");
  EXPECT_EQ(call("GET", path("/cmd")).body, R"({"commands":[]})");
  EXPECT_EQ(error(call("GET", "/v1/sandboxes/x/cmd"), 404), "sandbox not found");
  EXPECT_EQ(error(call("GET", "/v1/sandboxes/x/cmd/y"), 404), "command not found");
}

TEST_F(OpensbxRoutes, a_snapshot_of_logs_has_both_sides_and_the_exit_code) {
  add_node();
  create();
  tell("GET " + node_path("/commands/cmd_1"), with_id(kEnded));
  tell("GET " + node_path("/commands/cmd_1/output"),
       R"({"stdout":"out\n","stderr":"err\n","stdout_begin":0,"stderr_begin":0})");
  EXPECT_EQ(call("GET", path("/cmd/cmd_1/logs")).body, R"({"stdout":"out\n","stderr":"err\n","exit_code":0})");
}

TEST_F(OpensbxRoutes, files_that_fail_say_so_unless_it_is_strict) {
  add_node();
  create();
  EXPECT_EQ(error(call("GET", path("/files")), 400), "path query param is required");
  EXPECT_EQ(error(call("GET", path("/files?path=/a")), 404), "file not found");
  EXPECT_EQ(error(call("GET", path("/files/list?path=/a")), 404), "file not found");
  opensbx_.settings.is_strict = true;
  EXPECT_EQ(call("GET", path("/files?path=/a")).body, R"({"path":"/a","content":""})");
  EXPECT_EQ(call("GET", path("/files/list?path=/a")).body, R"({"path":"/a","output":""})");
  EXPECT_EQ(call("PUT", path("/files?path=/a"), R"({"content":"x"})").body, R"({"path":"/a","status":"written"})");
  EXPECT_EQ(call("DELETE", path("/files?path=/a")).status, 204);
}

TEST_F(OpensbxRoutes, a_files_bytes_come_as_text) {
  add_node();
  create();
  tell("GET " + node_path("/files?path=%2Fa%20b"), "<\xff>");
  EXPECT_EQ(call("GET", path("/files?path=/a+b")).body,
            "{\"path\":\"/a b\",\"content\":\"\\u003c\xef\xbf\xbd\\u003e\"}");
}

TEST_F(OpensbxRoutes, images_of_the_fleet) {
  EXPECT_EQ(call("GET", "/v1/images").body, R"({"images":[],"message":"no images found"})");
  add_node();
  tell("GET /v1/images", kImages);
  EXPECT_EQ(call("GET", "/v1/images").body, R"({"images":[{"id":"sha256:ab","tags":["node:22"],"size":7}]})");
  EXPECT_THAT(call("GET", "/v1/images/node:22").body, HasSubstr(R"({"id":"sha256:ab","tags":["node:22"],"size":7,)"));
  EXPECT_EQ(error(call("GET", "/v1/images/org/app:1"), 404), "image not found");
  EXPECT_EQ(error(call("DELETE", "/v1/images/nothing"), 404), "image not found");
  opensbx_.settings.is_strict = true;
  EXPECT_EQ(error(call("GET", "/v1/images/nothing"), 404), "sandbox not found");
}

}  // namespace
}  // namespace sandboxd::orch::opensbx
