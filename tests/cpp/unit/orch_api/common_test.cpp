// The routes of no dialect: the create limit, metrics, the description of the API and its drift from the router.
#include "http/bearer_auth.hpp"
#include "orch/api/common/metrics.hpp"
#include "orch/api/common/metrics_text.hpp"
#include "orch/api/common/pages.hpp"
#include "orch/api/common/rate_limit.hpp"
#include "orch/api/common/routes.hpp"
#include "orch/api/opensbx/routes.hpp"
#include "orch/api/sandboxd_o/guests.hpp"
#include "orch/api/sandboxd_o/images.hpp"
#include "orch/api/sandboxd_o/routes.hpp"
#include "orch/engine.hpp"
#include "sim/sim_clock.hpp"
#include "sim/sim_store.hpp"
#include "sim/sim_transport.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

namespace sandboxd::orch::common {
namespace {

using testing::HasSubstr;
using testing::Not;

MonoTime at(double seconds) { return MonoTime{static_cast<std::int64_t>(seconds * 1e9)}; }

TEST(TokenBucket, starts_full_and_refills_at_its_rate) {
  TokenBucket bucket(2, 3);
  for (int n = 0; n < 3; ++n) EXPECT_TRUE(bucket.take(at(1))) << n;
  EXPECT_FALSE(bucket.take(at(1)));
  EXPECT_FALSE(bucket.take(at(1.4)));
  EXPECT_TRUE(bucket.take(at(1.5)));
  EXPECT_FALSE(bucket.take(at(1.5)));
  for (int n = 0; n < 3; ++n) EXPECT_TRUE(bucket.take(at(1000))) << n;
  EXPECT_FALSE(bucket.take(at(1000))) << "never more than the burst";
}

TEST(TokenBucket, says_how_long_to_wait_for_a_token) {
  TokenBucket slow(0.5, 1);
  EXPECT_TRUE(slow.take(at(1)));
  EXPECT_FALSE(slow.take(at(1)));
  EXPECT_EQ(slow.seconds_to_wait(), 2);
  EXPECT_FALSE(slow.take(at(1.5)));
  EXPECT_EQ(slow.seconds_to_wait(), 2) << "1.5 seconds, never rounded down";
  EXPECT_FALSE(slow.take(at(2.5)));
  EXPECT_EQ(slow.seconds_to_wait(), 1);
  EXPECT_TRUE(slow.take(at(3.5)));
  TokenBucket fast(100, 1);
  EXPECT_TRUE(fast.take(at(1)));
  EXPECT_FALSE(fast.take(at(1)));
  EXPECT_EQ(fast.seconds_to_wait(), 1);
  TokenBucket hardly(1e-300, 1);
  EXPECT_TRUE(hardly.take(at(1)));
  EXPECT_FALSE(hardly.take(at(1)));
  EXPECT_EQ(hardly.seconds_to_wait(), 1'000'000'000);
}

TEST(TokenBucket, without_a_rate_everything_passes) {
  TokenBucket bucket(0, 1);
  for (int n = 0; n < 100; ++n) EXPECT_TRUE(bucket.take(at(1)));
}

TEST(TokenBucket, a_change_gives_no_tokens_away_but_switching_on_starts_full) {
  TokenBucket bucket(1, 2);
  EXPECT_TRUE(bucket.take(at(1)));
  bucket.configure(1, 100);
  EXPECT_TRUE(bucket.take(at(1)));
  EXPECT_FALSE(bucket.take(at(1)));
  bucket.configure(0, 2);
  EXPECT_TRUE(bucket.take(at(1)));
  bucket.configure(1, 2);
  EXPECT_TRUE(bucket.take(at(5)));
  EXPECT_TRUE(bucket.take(at(5)));
  EXPECT_FALSE(bucket.take(at(5)));
}

TEST(MetricsText, escapes_labels_and_accumulates_buckets) {
  MetricsText out;
  out.family("x_total", "counter", "Things.");
  out.sample("x_total", {{"a", "q\"\\\n"}, {"b", "2"}}, 7);
  Histogram histogram;
  histogram.add(std::chrono::microseconds(50));
  histogram.add(std::chrono::milliseconds(2));
  histogram.add(std::chrono::minutes(2));
  out.histogram("t_seconds", {{"r", "/"}}, histogram);
  const std::string text = out.take();
  EXPECT_THAT(text,
              HasSubstr("# HELP x_total Things.\n# TYPE x_total counter\nx_total{a=\"q\\\"\\\\\\n\",b=\"2\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{r=\"/\",le=\"0.0001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{r=\"/\",le=\"0.0025\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{r=\"/\",le=\"30\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{r=\"/\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_sum{r=\"/\"} 120.00205\nt_seconds_count{r=\"/\"} 3\n"));
}

TEST(Metrics, every_line_is_a_comment_or_a_sample_and_no_family_comes_twice) {
  Figures figures;
  figures.sandboxes[model::Phase::running] = 3;
  figures.nodes[model::NodeState::ready] = 2;
  http::Traffic traffic;
  http::Route route;
  route.method = "GET";
  route.pattern = "/api/v1/sandboxes/{id}";
  traffic.answered(&route, 200);
  traffic.took(&route, std::chrono::milliseconds(3));
  traffic.answered(nullptr, 404);
  http::Traffic proxied;
  proxied.answered(nullptr, 502);
  const std::string text = metrics_text(figures, traffic, proxied, LogDrops{1, 2});
  EXPECT_THAT(text, HasSubstr("sandboxd_sandboxes{phase=\"running\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("sandboxd_nodes{state=\"Ready\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sandboxd_http_requests_total{method=\"GET\",route=\"/api/v1/sandboxes/{id}\","
                              "status=\"200\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sandboxd_http_requests_total{method=\"\",route=\"none\",status=\"404\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sandboxd_log_dropped_total{kind=\"access\"} 1\n"));
  const std::regex sample(R"re([a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+)re");
  std::set<std::string> families;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(families.insert(line).second) << line;
    } else if (!line.starts_with("# HELP ")) {
      EXPECT_TRUE(std::regex_match(line, sample)) << line;
    }
  }
}

// Everything that the listener serves, on an engine that never runs.
class RoutesTest : public testing::Test {
 protected:
  RoutesTest() {
    EXPECT_TRUE(sandboxd_o::add_routes(router_, service_, clock_));
    const auto request = [](const model::NodeAddress&, std::string, std::string) { return http::ClientRequest(); };
    EXPECT_TRUE(sandboxd_o::add_guest_routes(router_, service_, {client_, request}));
    EXPECT_TRUE(sandboxd_o::add_image_routes(router_, images_, clock_));
    EXPECT_TRUE(opensbx::add_routes(router_, opensbx_));
    EXPECT_TRUE(add_routes(router_, operations_, std::make_shared<http::Traffic>(), std::make_shared<http::Traffic>()));
  }

  boost::asio::io_context context_;
  sim::SimClock clock_{context_.get_executor()};
  sim::SimTransport transport_{context_.get_executor(), clock_, 1};
  std::unique_ptr<sim::SimStore> store_ = *sim::SimStore::open(std::make_shared<sim::StoreDisk>(), clock_);
  Engine engine_{context_.get_executor(), *store_, transport_, clock_, OrchConfig(), 1};
  SandboxService service_{engine_, transport_, clock_};
  http::Client client_{context_.get_executor()};
  Operations operations_{context_.get_executor(), engine_, clock_};
  ImageService images_{context_.get_executor(), service_, transport_, clock_};
  GuestService guests_{service_, transport_};
  opensbx::Context opensbx_{service_, guests_, images_, operations_, clock_, {}, [] { return std::uint64_t{1}; }};
  http::Router router_;
};

// "GET /a/{}": what parameters are called is no difference.
std::string without_names(const std::string& method, const std::string& path) {
  return method + " " + std::regex_replace(path, std::regex(R"(\{[^}]*\})"), "{}");
}

// The document describes what is served, and nothing else. (The page itself is not part of the API.)
TEST_F(RoutesTest, the_description_and_the_router_name_the_same_operations) {
  std::set<std::string> served;
  for (const auto& [method, pattern] : router_.routes()) {
    if (!pattern.starts_with("/swagger")) served.insert(without_names(method, pattern));
  }
  std::set<std::string> described;
  const auto document = boost::json::parse(openapi_document());
  for (const auto& path : document.at("paths").as_object()) {
    for (const auto& operation : path.value().as_object()) {
      std::string method(operation.key());
      for (char& c : method) c = static_cast<char>(c - 'a' + 'A');
      described.insert(without_names(method, std::string(path.key())));
    }
  }
  EXPECT_EQ(described, served);
}

// Every $ref in the document leads somewhere, and operations have names of their own.
TEST_F(RoutesTest, the_description_is_whole) {
  const auto document = boost::json::parse(openapi_document());
  const std::string text = boost::json::serialize(document);
  const std::regex reference(R"re("\$ref":"#([^"]+)")re");
  for (auto found = std::sregex_iterator(text.begin(), text.end(), reference); found != std::sregex_iterator();
       ++found) {
    boost::system::error_code error;
    static_cast<void>(document.find_pointer((*found)[1].str(), error));
    EXPECT_FALSE(error) << (*found)[1];
  }
  std::set<std::string> names;
  for (const auto& path : document.at("paths").as_object()) {
    for (const auto& operation : path.value().as_object()) {
      EXPECT_TRUE(names.insert(std::string(operation.value().at("operationId").as_string())).second);
    }
  }
}

TEST_F(RoutesTest, a_guard_needs_its_route) {
  EXPECT_TRUE(router_.guard("POST", "/api/v1/sandboxes", [](const http::Request&) { return std::nullopt; }));
  EXPECT_FALSE(router_.guard("POST", "/api/v1/nothing", [](const http::Request&) { return std::nullopt; }));
}

// A page that loads anything foreign would tell strangers who uses it, and break without them.
TEST(Pages, load_nothing_from_elsewhere) {
  for (const Page& page : pages()) {
    EXPECT_FALSE(page.body.empty()) << page.path;
    for (const char* foreign : {"src=\"http", "href=\"http", "url(", "@import", "//cdn", "innerHTML", "eval("}) {
      EXPECT_EQ(page.body.find(foreign), std::string_view::npos) << page.path << " has " << foreign;
    }
  }
}

}  // namespace
}  // namespace sandboxd::orch::common
