// Images over two nodes: unions, what one node does not know, and one body for several readers.
#include "orch/image_service.hpp"

#include "orch/shared_source.hpp"
#include "orch/sse_reader.hpp"
#include "unit/orch/engine_fixture.hpp"

#include <gmock/gmock.h>

#include <functional>
#include <vector>

namespace sandboxd::orch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A node whose image routes a test scripts.
class ImageNode final : public sim::SimNodeServer {
 public:
  explicit ImageNode(std::shared_ptr<world::ModelNode> model) : model_(std::move(model)) {}

  std::vector<std::string> calls;
  std::function<ports::NodeAnswer(const ports::NodeCall&)> script;

  Task<Result<void>> create(model::NodeCreateRequest request) override { return model_->create(std::move(request)); }
  Task<Result<void>> remove(SandboxId id, std::string uid) override {
    return model_->remove(std::move(id), std::move(uid));
  }
  Result<std::unique_ptr<ports::NodeWatch>> subscribe() override { return model_->subscribe(); }
  Task<Result<ports::NodeAnswer>> call(ports::NodeCall call) override {
    calls.push_back(call.method + " " + call.path);
    co_return script(call);
  }

 private:
  std::shared_ptr<world::ModelNode> model_;
};

ports::NodeAnswer answer(int status, std::string body, ErrorCode code = ErrorCode::internal) {
  ports::NodeAnswer out;
  out.status = status;
  out.code = code;
  out.body = std::move(body);
  return out;
}

std::string image(const std::string& digest, const std::string& names, const std::string& used, bool is_used) {
  return R"({"digest":"sha256:)" + digest + R"(","names":[)" + names + R"(],"sizeBytes":9,"lastUsed":")" + used +
         R"(","used":)" + (is_used ? "true" : "false") + "}";
}

class ImageServiceTest : public EngineFixture {
 protected:
  ImageServiceTest() {
    start();
    images_ = std::make_unique<ImageService>(context_.get_executor(), *service_, transport_, clock_);
    for (const int n : {0, 1}) {
      models_.push_back(
          std::make_shared<world::ModelNode>(context_.get_executor(), clock_, static_cast<std::uint64_t>(n + 1),
                                             world::ModelNodeOptions{4000, 1 << 30, 0, std::chrono::seconds(5)}));
      models_.back()->start();
      nodes_.push_back(std::make_shared<ImageNode>(models_.back()));
      nodes_.back()->script = [](const ports::NodeCall&) { return answer(200, R"({"items":[]})"); };
      const NodeRef node = register_node("n" + std::to_string(n), 7 + n, nodes_.back());
      EXPECT_EQ(node->state, model::NodeState::ready);
    }
  }
  ~ImageServiceTest() override {
    images_.reset();
    stop();
    for (const auto& model : models_) {
      model->cancel();
      run(model->join());
    }
  }
  void has(std::size_t node, const std::string& items) {
    nodes_[node]->script = [items](const ports::NodeCall&) { return answer(200, R"({"items":[)" + items + "]}"); };
  }

  std::vector<std::shared_ptr<world::ModelNode>> models_;
  std::vector<std::shared_ptr<ImageNode>> nodes_;
  std::unique_ptr<ImageService> images_;
};

TEST_F(ImageServiceTest, AListIsTheUnionByDigest) {
  has(0, image("aa", R"("docker.io/library/x:1")", "2026-01-01T00:00:00Z", true));
  has(1, image("aa", R"("docker.io/library/x:2")", "2026-01-03T00:00:00Z", false) + "," +
             image("bb", R"("r.example/y:1")", "2026-01-02T00:00:00Z", false));
  const auto all = run(images_->list());
  ASSERT_TRUE(all) << all.error().message();
  ASSERT_THAT(all->items, SizeIs(2));
  EXPECT_THAT(all->errors, IsEmpty());
  const FleetImage& both = all->items[0];
  EXPECT_THAT(both.nodes, ElementsAre(NodeId("n0"), NodeId("n1")));
  EXPECT_THAT(both.image.names, ElementsAre("docker.io/library/x:1", "docker.io/library/x:2"));
  EXPECT_TRUE(both.image.is_used);
  EXPECT_EQ(format_rfc3339(both.image.last_used), "2026-01-03T00:00:00Z");
  EXPECT_THAT(all->items[1].nodes, ElementsAre(NodeId("n1")));
}

TEST_F(ImageServiceTest, OneNodeThatDoesNotAnswerSpoilsNothing) {
  has(0, image("aa", R"("docker.io/library/x:1")", "2026-01-01T00:00:00Z", false));
  nodes_[1]->script = [](const ports::NodeCall&) {
    return answer(503, R"({"error":"containerd does not answer"})", ErrorCode::unavailable);
  };
  const auto all = run(images_->list());
  ASSERT_TRUE(all);
  EXPECT_THAT(all->items, SizeIs(1));
  ASSERT_THAT(all->errors, SizeIs(1));
  EXPECT_EQ(all->errors[0].node, NodeId("n1"));
  EXPECT_EQ(all->errors[0].error.message(), "containerd does not answer");
}

TEST_F(ImageServiceTest, OneIsFoundByWhateverItIsCalled) {
  has(0, image("aa11", R"("docker.io/library/x:latest")", "2026-01-01T00:00:00Z", false));
  has(1, image("aa22", R"("docker.io/team/y:1")", "2026-01-01T00:00:00Z", false));
  for (const char* name : {"x", "x:latest", "docker.io/library/x:latest", "sha256:aa11", "aa11", "aa1"}) {
    const auto found = run(images_->inspect(name));
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->image.digest, "sha256:aa11") << name;
  }
  EXPECT_EQ(run(images_->inspect("team/y:1"))->image.digest, "sha256:aa22");
  EXPECT_EQ(run(images_->inspect("aa")).error().code(), ErrorCode::conflict);
  EXPECT_EQ(run(images_->inspect("z")).error().code(), ErrorCode::not_found);
}

TEST_F(ImageServiceTest, SandboxesAreLimitedToTheNodesThatHaveTheImage) {
  const std::string everywhere = image("aa", R"("r.example/x:1")", "2026-01-01T00:00:00Z", false);
  has(0, everywhere);
  has(1, everywhere + "," + image("bb", R"("r.example/y:1")", "2026-01-01T00:00:00Z", false));
  EXPECT_THAT(run(images_->limited_to("r.example/x:1")).value(), IsEmpty());
  EXPECT_THAT(run(images_->limited_to("r.example/y:1")).value(), ElementsAre(NodeId("n1")));
  EXPECT_EQ(run(images_->limited_to("r.example/z:1")).error().code(), ErrorCode::not_found);
}

TEST_F(ImageServiceTest, ARemovalAsksEveryNodeAndTellsWhoRefused) {
  const auto gone = [](const ports::NodeCall&) { return answer(200, R"({"deleted":"x"})"); };
  const auto absent = [](const ports::NodeCall&) {
    return answer(404, R"({"error":"no image \"x\" on this node"})", ErrorCode::not_found);
  };
  nodes_[0]->script = gone;
  nodes_[1]->script = absent;
  RemoveImage request;
  request.reference = "team/x:1";
  request.force = true;
  EXPECT_TRUE(run(images_->remove(request)));
  EXPECT_EQ(nodes_[1]->calls.back(), "DELETE /v1/images?reference=team%2Fx%3A1&force=true");
  nodes_[0]->script = absent;
  EXPECT_EQ(run(images_->remove(request)).error().code(), ErrorCode::not_found);
  nodes_[1]->script = [](const ports::NodeCall&) {
    return answer(409, R"({"error":"image \"x\" is used by sandbox s"})", ErrorCode::conflict);
  };
  const auto refused = run(images_->remove(request));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::conflict);
  EXPECT_THAT(refused.error().message(), HasSubstr("node n1: image \"x\" is used by sandbox s"));
  request.node = NodeId("nobody");
  EXPECT_EQ(run(images_->remove(request)).error().code(), ErrorCode::not_found);
}

TEST_F(ImageServiceTest, WhatASandboxUsesAnywhereIsRemovedNowhere) {
  ASSERT_TRUE(run(service_->create(sandbox("s"))));
  ASSERT_LT(time_until([this] { return phase("s") == model::Phase::running; }, std::chrono::minutes(1)),
            std::chrono::minutes(1));
  const std::string used = run(service_->get(SandboxId("s"))).value()->spec.containers.front().image;
  RemoveImage request;
  request.reference = used;
  for (const char* names : {"", R"(,"r.example/again:1")"}) {
    for (const std::size_t node : {0U, 1U}) {
      has(node, image("aa", "\"" + used + "\"" + names, "2026-01-01T00:00:00Z", false));
      nodes_[node]->calls.clear();
    }
    const auto removed = run(images_->remove(request));
    const bool is_last_name = std::string_view(names).empty();
    EXPECT_EQ(removed.has_value(), !is_last_name);
    if (!removed) EXPECT_THAT(removed.error().message(), HasSubstr("is used by sandbox s: delete that first"));
    EXPECT_EQ(nodes_[0]->calls.back().starts_with("DELETE"), !is_last_name);
    EXPECT_EQ(nodes_[1]->calls.back().starts_with("DELETE"), !is_last_name);
  }
}

TEST_F(ImageServiceTest, UsageIsTheNodes) {
  EXPECT_EQ(run(images_->usage(SandboxId("nobody"))).error().code(), ErrorCode::not_found);
  ASSERT_TRUE(run(service_->create(sandbox("s"))));
  ASSERT_LT(time_until([this] { return phase("s") == model::Phase::running; }, std::chrono::minutes(1)),
            std::chrono::minutes(1));
  for (const auto& node : nodes_)
    node->script = [](const ports::NodeCall&) { return answer(200, R"({"cpuNanos":5,"cpuPercent":1.25,"pids":2})"); };
  const auto usage = run(images_->usage(SandboxId("s")));
  ASSERT_TRUE(usage) << usage.error().message();
  EXPECT_EQ(usage->cpu_nanos, 5);
  EXPECT_EQ(usage->cpu_percent, 1.25);
}

// Pieces that were read, by reader.
class SharedSourceTest : public EngineFixture {
 protected:
  std::shared_ptr<SharedSource> make(std::vector<std::string> pieces, std::size_t readers) {
    auto left = std::make_shared<std::vector<std::string>>(std::move(pieces));
    ports::BodySource source = [this, left] { return take(left, &given_); };
    return std::make_shared<SharedSource>(context_.get_executor(), source, readers);
  }
  static Task<Result<std::optional<std::string>>> take(std::shared_ptr<std::vector<std::string>> left, int* given) {
    if (left->empty()) co_return std::optional<std::string>();
    std::string piece = left->front();
    left->erase(left->begin());
    ++*given;
    co_return std::optional(std::move(piece));
  }
  static Task<void> read_all(std::shared_ptr<SharedSource::Reader> reader, std::string* out) {
    for (;;) {
      const auto piece = co_await reader->next();
      if (!piece || !*piece) co_return;
      *out += **piece;
    }
  }
  void spawn(std::shared_ptr<SharedSource::Reader> reader, std::string* out) {
    boost::asio::co_spawn(context_, read_all(std::move(reader), out), [](std::exception_ptr) {});
  }
  void poll() {
    context_.restart();
    context_.poll();
  }

  int given_ = 0;
};

TEST_F(SharedSourceTest, AllReadersGetEverythingAndTheSlowestSetsThePace) {
  const auto source = make({"one ", "two ", "three"}, 2);
  std::string first;
  std::string second;
  spawn(std::make_shared<SharedSource::Reader>(source), &first);
  const auto slow = std::make_shared<SharedSource::Reader>(source);
  poll();
  EXPECT_EQ(first, "one ");
  EXPECT_EQ(given_, 1) << "nothing is read ahead";
  spawn(slow, &second);
  poll();
  EXPECT_EQ(first, "one two three");
  EXPECT_EQ(second, "one two three");
}

TEST_F(SharedSourceTest, AReaderThatLeavesHoldsNobodyUp) {
  const auto source = make({"one ", "two ", "three"}, 3);
  std::string first;
  spawn(std::make_shared<SharedSource::Reader>(source), &first);
  const auto never = std::make_shared<SharedSource::Reader>(source);
  const auto once = std::make_shared<SharedSource::Reader>(source);
  EXPECT_EQ(*run(once->next()).value(), "one ");
  poll();
  EXPECT_EQ(first, "one ");
  never->leave();
  once->leave();
  poll();
  EXPECT_EQ(first, "one two three");
}

TEST(SseReader, TakesWholeEvents) {
  SseReader reader;
  reader.feed(":\n\nevent: progress\nda");
  EXPECT_FALSE(reader.take());
  reader.feed("ta: {\"a\":1}\n\nevent: image\ndata: {}\n\nevent: half");
  auto event = reader.take();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->name, "progress");
  EXPECT_EQ(event->data, "{\"a\":1}");
  event = reader.take();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->name, "image");
  EXPECT_FALSE(reader.take());
}

}  // namespace
}  // namespace sandboxd::orch
