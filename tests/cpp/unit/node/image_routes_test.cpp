// Images through the node's routes: our additions to the dialect.
#include "codec/sbxlet_images.hpp"
#include "unit/node/routes_fixture.hpp"

#include <gmock/gmock.h>

namespace sandboxd::node {
namespace {

using testing::HasSubstr;
using testing::Not;

class ImageRoutes : public RoutesFixture {
 protected:
  // All of a stream.
  std::string read(const http::Response& response) {
    std::string text;
    for (;;) {
      auto piece = run(next(response.stream));
      if (!piece) return text;
      text += **piece;
    }
  }
  static Task<std::optional<std::optional<std::string>>> next(std::shared_ptr<http::BodyStream> stream) {
    auto piece = co_await stream->next();
    if (!piece) co_return std::nullopt;
    co_return std::optional(std::move(piece));
  }
};

TEST_F(ImageRoutes, ListsAndShowsWhatIsThere) {
  EXPECT_EQ(get("/v1/images").body, R"({"items":[]})");
  runtime_machine_->images.local.insert("docker.io/library/busybox:latest");
  const Answer all = get("/v1/images");
  EXPECT_EQ(all.status, 200);
  EXPECT_THAT(all.body, HasSubstr(R"("names":["docker.io/library/busybox:latest"])"));
  const Answer one = get("/v1/images/inspect?reference=busybox");
  ASSERT_EQ(one.status, 200) << one;
  const auto image = codec::sbxlet::decode_image(one.body);
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_FALSE(image->is_used);
  // By its digest, and by the beginning of it.
  EXPECT_EQ(get("/v1/images/inspect?reference=" + image->digest).body, one.body);
  EXPECT_EQ(get("/v1/images/inspect?reference=" + image->digest.substr(7, 12)).body, one.body);
  EXPECT_EQ(get("/v1/images/inspect?reference=team/absent:1").status, 404);
  EXPECT_EQ(get("/v1/images/inspect").status, 400);
}

TEST_F(ImageRoutes, PullsAndWaits) {
  const Answer pulled = post("/v1/images/pull", R"({"image":"team/web:1"})");
  ASSERT_EQ(pulled.status, 200) << pulled;
  EXPECT_THAT(pulled.body, HasSubstr(R"("names":["docker.io/team/web:1"])"));
  EXPECT_FALSE(library_.credentials);
  EXPECT_THAT(agent_->report().images.value(), testing::Contains("team/web:1")) << "a hint for the scheduler";
}

TEST_F(ImageRoutes, CredentialsGoToThePullAndIntoNoAnswer) {
  const Answer pulled =
      post("/v1/images/pull", R"({"image":"web","credentials":{"username":"ann","password":"s3cret"}})");
  ASSERT_EQ(pulled.status, 200) << pulled;
  ASSERT_TRUE(library_.credentials);
  EXPECT_EQ(library_.credentials->username, "ann");
  EXPECT_EQ(library_.credentials->password, "s3cret");
  EXPECT_THAT(pulled.body, Not(HasSubstr("s3cret")));
  const Answer half = post("/v1/images/pull", R"({"image":"web","credentials":{"username":"ann"}})");
  EXPECT_EQ(half.status, 400);
  EXPECT_THAT(half.body, HasSubstr("credentials.password"));
}

TEST_F(ImageRoutes, AFailedPullSaysOfWhat) {
  EXPECT_EQ(post("/v1/images/pull", R"({"image":"No Good"})").status, 400);
  EXPECT_EQ(post("/v1/images/pull", "{}").status, 400);
  const auto refuse = [this](ErrorCode code) {
    library_.refusals["docker.io/library/web:latest"] = Error(code, "says the registry");
    return post("/v1/images/pull", R"({"image":"web"})");
  };
  EXPECT_EQ(refuse(ErrorCode::not_found), error_answer(404, "says the registry", "not_found"));
  EXPECT_EQ(refuse(ErrorCode::permission_denied), error_answer(403, "says the registry", "permission_denied"));
  EXPECT_EQ(refuse(ErrorCode::unavailable), error_answer(503, "says the registry", "unavailable"));
}

TEST_F(ImageRoutes, AWatchedPullTellsHowFarItIsAndHowItEnded) {
  const auto response = respond("POST", "/v1/images/pull?progress=true", R"({"image":"web"})");
  ASSERT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/event-stream");
  const std::string text = read(response);
  EXPECT_THAT(text, HasSubstr("event: progress\ndata: {\"image\":\"docker.io/library/web:latest\""));
  EXPECT_THAT(text, HasSubstr("event: image\ndata: {\"digest\":\"sha256:"));
  library_.refusals["docker.io/library/gone:latest"] = Error(ErrorCode::not_found, "no such image");
  const std::string failed = read(respond("POST", "/v1/images/pull?progress=true", R"({"image":"gone"})"));
  EXPECT_THAT(failed, HasSubstr("event: error\ndata: {\"error\":\"no such image\",\"code\":\"not_found\"}"));
  EXPECT_EQ(ask("POST", "/v1/images/pull?progress=true", R"({"image":"No Good"})").status, 400) << "before the stream";
}

TEST_F(ImageRoutes, APullGoesOnWhenItsWatcherLeaves) {
  auto response = respond("POST", "/v1/images/pull?progress=true", R"({"image":"web"})");
  response.stream.reset();
  EXPECT_TRUE(run_until([this] { return runtime_machine_->images.local.contains("docker.io/library/web:latest"); }));
}

TEST_F(ImageRoutes, AnImageInUseStaysAndSaysByWhom) {
  create_running("user-one");
  const std::string target = "/v1/images?reference=busybox";
  for (const char* force : {"", "&force=true"}) {
    const Answer refused = ask("DELETE", target + force);
    EXPECT_EQ(refused.status, 409) << refused;
    EXPECT_THAT(refused.body, HasSubstr("user-one"));
  }
  ASSERT_TRUE(run(agent_->remove(SandboxId("user-one"), "")));
  EXPECT_EQ(ask("DELETE", target).status, 200);
  EXPECT_EQ(ask("DELETE", target).status, 404);
  EXPECT_EQ(ask("DELETE", target + "&force=perhaps").status, 400);
  EXPECT_EQ(ask("DELETE", "/v1/images").status, 400);
}

TEST_F(ImageRoutes, AnArchiveBecomesAnImage) {
  const Answer stored = post("/v1/images/import?reference=team/made:2", std::string(700'000, 'x'));
  ASSERT_EQ(stored.status, 201) << stored;
  EXPECT_THAT(stored.body, HasSubstr(R"("names":["docker.io/team/made:2"])"));
  EXPECT_EQ(library_.imported_bytes, 700'000U);
  EXPECT_EQ(post("/v1/images/import?reference=team/made:3", "damaged").status, 400);
  EXPECT_EQ(post("/v1/images/import?reference=a&format=zip", "x").status, 400);
  EXPECT_EQ(post("/v1/images/import?reference=a&format=rootfs&env=NOVALUE", "x").status, 400);
  EXPECT_EQ(post("/v1/images/import?reference=No%20Good", "x").status, 400);
}

TEST_F(ImageRoutes, ARuntimeThatIsDownIsUnavailable) {
  runtime_machine_->down = true;
  EXPECT_EQ(get("/v1/images").status, 503);
  EXPECT_EQ(get("/v1/images/inspect?reference=x").status, 503);
}

}  // namespace
}  // namespace sandboxd::node
