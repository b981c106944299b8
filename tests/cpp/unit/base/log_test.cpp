// What a log line looks like, where it goes, and that nobody waits for it.
#include "base/log.hpp"

#include "base/log_file.hpp"
#include "base/log_writer.hpp"
#include "support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace sandboxd {
namespace {

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr Duration kPatience = std::chrono::seconds(30);
// 2026-01-02T03:04:05Z
constexpr WallTime kNow{1767323045LL * 1'000'000'000};
constexpr Duration kHour = std::chrono::hours(1);

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Records of every level from `level` on.
class Capture {
 public:
  explicit Capture(LogLevel level = LogLevel::info) {
    configure_logging({.level = level, .app = "orchestrator:dev"});
    set_log_observer([this](const LogRecord& record) { lines.emplace_back(record.line); });
  }
  ~Capture() {
    set_log_observer({});
    configure_logging({});
  }
  std::vector<std::string> lines;
};

TEST(Log, a_line_is_one_object_whose_keys_stand_in_order) {
  Capture capture;
  constexpr Log log("orch");
  log.info("sandbox placed", {{"sandbox", "a"}, {"cpu", 500}});
  ASSERT_EQ(capture.lines.size(), 1U);
  EXPECT_THAT(capture.lines[0],
              MatchesRegex("\\{\"ts\":\"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{9}(Z|[+-][0-9]{2}:[0-9]{2})\","
                           "\"level\":\"info\",\"msg\":\"sandbox placed\",\"app\":\"orchestrator:dev\","
                           "\"logger\":\"orch\",\"sandbox\":\"a\",\"cpu\":500\\}"));
}

TEST(Log, the_time_is_local_with_its_offset) {
  const char* before = std::getenv("TZ");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TZ", "TST-05:30", 1);
  ::tzset();
  std::thread([] {  // a thread that has not kept a second yet
    Capture capture;
    constexpr Log log("t");
    log.info("x");
    EXPECT_THAT(capture.lines.at(0), ContainsRegex("\\+05:30\",\"level\""));
  })
      .join();
  before == nullptr ? ::unsetenv("TZ") : ::setenv("TZ", kept.c_str(), 1);
  ::tzset();
}

TEST(Log, objects_nest_and_hostile_text_stays_text) {
  Capture capture;
  constexpr Log log("http");
  log.bulk(LogLevel::info, "http request",
           {LogField::object("http", {{"path", "/\"}\n\x01\xff"}, {"status", 200}}), LogField("other", "x")});
  EXPECT_THAT(capture.lines.at(0),
              EndsWith("\"http\":{\"path\":\"/\\\"}\\n\\u0001\\u00ff\",\"status\":200},\"other\":\"x\"}"));
}

TEST(Log, levels_below_the_chosen_one_are_silent) {
  Capture capture(LogLevel::warn);
  constexpr Log log("x");
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  EXPECT_EQ(capture.lines.size(), 2U);
  EXPECT_FALSE(Log::enabled(LogLevel::info));
  set_log_level(LogLevel::off);
  log.error("e");
  EXPECT_EQ(capture.lines.size(), 2U);
}

TEST(Log, level_names) {
  for (const char* name : {"debug", "info", "warn", "error", "off"}) EXPECT_TRUE(parse_log_level(name)) << name;
  EXPECT_FALSE(parse_log_level("loud"));
}

TEST(HourlyFile, has_prefix_date_and_hour_in_utc_and_turns_with_the_first_write_of_an_hour) {
  const test::TempDir directory;
  const std::string logs = directory.path() + "/deep/logs";
  auto file = HourlyFile::open(logs, "orchestrator", kNow);
  ASSERT_TRUE(file) << file.error().message();
  ASSERT_TRUE(file->append("one\n", kNow));
  ASSERT_TRUE(file->append("two\n", kNow + std::chrono::minutes(55)));
  ASSERT_TRUE(file->append("three\n", kNow + kHour));
  EXPECT_EQ(contents(logs + "/orchestrator-20260102-03.log"), "one\ntwo\n");
  EXPECT_EQ(contents(logs + "/orchestrator-20260102-04.log"), "three\n");
  struct stat facts{};
  ASSERT_EQ(::stat((logs + "/orchestrator-20260102-03.log").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0644U);
}

TEST(HourlyFile, appends_to_what_is_there) {
  const test::TempDir directory;
  for (const char* text : {"one\n", "two\n"}) {
    auto file = HourlyFile::open(directory.path(), "p", kNow);
    ASSERT_TRUE(file->append(text, kNow));
  }
  EXPECT_EQ(contents(directory.path() + "/p-20260102-03.log"), "one\ntwo\n");
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

TEST(HourlyFile, keeps_as_many_files_as_it_may_and_counts_its_own) {
  const test::TempDir directory;
  auto file = HourlyFile::open(directory.path(), "p", kNow, {.files = 3, .bytes = 0});
  ASSERT_TRUE(file);
  for (int hour = 0; hour < 30; ++hour) ASSERT_TRUE(file->append("x\n", kNow + hour * kHour));
  EXPECT_THAT(names_in(directory.path()), ElementsAre("p-20260103-06.log", "p-20260103-07.log", "p-20260103-08.log"));
}

TEST(HourlyFile, keeps_as_many_bytes_as_it_may_and_always_the_file_that_is_written) {
  const test::TempDir directory;
  auto file = HourlyFile::open(directory.path(), "p", kNow, {.files = 0, .bytes = 250});
  ASSERT_TRUE(file);
  for (int hour = 0; hour < 5; ++hour) ASSERT_TRUE(file->append(std::string(100, 'x'), kNow + hour * kHour));
  EXPECT_THAT(names_in(directory.path()), ElementsAre("p-20260102-05.log", "p-20260102-06.log", "p-20260102-07.log"))
      << "the newest was empty when they were counted";
  ASSERT_TRUE(file->append(std::string(1000, 'x'), kNow + 4 * kHour));
  ASSERT_TRUE(file->append("x", kNow + 5 * kHour));
  EXPECT_THAT(names_in(directory.path()), ElementsAre("p-20260102-08.log"));
}

TEST(HourlyFile, keeps_all_when_nothing_else_was_said) {
  const test::TempDir directory;
  auto file = HourlyFile::open(directory.path(), "p", kNow);
  for (int hour = 0; hour < 200; ++hour) ASSERT_TRUE(file->append("x\n", kNow + hour * kHour));
  EXPECT_EQ(names_in(directory.path()).size(), 200U);
}

TEST(HourlyFile, removes_nothing_that_is_not_its_own) {
  const test::TempDir directory;
  const test::TempDir elsewhere;
  const std::string precious = elsewhere.path() + "/precious";
  std::ofstream(precious) << "x";
  const std::vector<std::string> others = {"p-20200101-00.log.gz", "p-2020010-000.log", "p-x-20200101-00.log",
                                           "pp-20200101-00.log",   "p-20200101-00",     "p.log"};
  for (const std::string& name : others) std::ofstream(directory.path() + "/" + name) << "x";
  std::filesystem::create_symlink(precious, directory.path() + "/p-20200101-00.log");
  std::filesystem::create_directory(directory.path() + "/p-20200101-01.log");
  std::ofstream(directory.path() + "/p-20200101-02.log") << "x";
  auto file = HourlyFile::open(directory.path(), "p", kNow, {.files = 1, .bytes = 1});
  ASSERT_TRUE(file->append("x", kNow));
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/p-20200101-02.log"));
  EXPECT_EQ(names_in(directory.path()).size(), others.size() + 3);
  EXPECT_TRUE(std::filesystem::exists(precious));
}

TEST(HourlyFile, never_removes_the_file_that_is_written_when_the_clock_goes_back) {
  const test::TempDir directory;
  for (const char* name : {"p-20990101-00.log", "p-20990101-01.log"})
    std::ofstream(directory.path() + "/" + name) << "x";
  auto file = HourlyFile::open(directory.path(), "p", kNow, {.files = 2, .bytes = 0});
  ASSERT_TRUE(file->append("x", kNow));
  EXPECT_THAT(names_in(directory.path()), ElementsAre("p-20260102-03.log", "p-20990101-01.log"));
}

TEST(HourlyFile, says_what_is_wrong_with_a_directory) {
  const test::TempDir directory;
  std::ofstream(directory.path() + "/file") << "x";
  const auto failed = HourlyFile::open(directory.path() + "/file/logs", "p", kNow);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), HasSubstr(directory.path() + "/file/logs"));
}

// A writer between two pipes.
class WriterTest : public testing::Test {
 protected:
  WriterTest() {
    EXPECT_EQ(::pipe2(out_.data(), O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(error_.data(), O_CLOEXEC), 0);
  }
  ~WriterTest() override {
    for (const int fd : {out_[0], out_[1], error_[0], error_[1]}) ::close(fd);
  }
  LogWriter::Options options() {
    LogWriter::Options options;
    options.out_fd = out_[1];
    options.error_fd = error_[1];
    options.now = [] { return kNow; };
    options.drops_line = [](std::uint64_t bulk, std::uint64_t other) {
      return "dropped " + std::to_string(bulk) + " " + std::to_string(other);
    };
    return options;
  }
  static std::string read_some(int fd) {
    std::array<char, 65536> bytes{};
    const ssize_t count = ::read(fd, bytes.data(), bytes.size());
    return {bytes.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
  }

  std::array<int, 2> out_{};
  std::array<int, 2> error_{};
};

TEST_F(WriterTest, errors_go_to_one_place_and_the_rest_to_another_and_all_of_it_to_the_file) {
  const test::TempDir directory;
  auto with_file = options();
  with_file.file = *HourlyFile::open(directory.path(), "p", kNow);
  LogWriter writer(std::move(with_file));
  EXPECT_TRUE(writer.put("a", LogWriter::Kind::plain));
  EXPECT_TRUE(writer.put("b", LogWriter::Kind::error));
  EXPECT_TRUE(writer.put("c", LogWriter::Kind::bulk));
  writer.flush(kPatience);
  EXPECT_EQ(read_some(out_[0]), "a\nc\n");
  EXPECT_EQ(read_some(error_[0]), "b\n");
  EXPECT_EQ(contents(directory.path() + "/p-20260102-03.log"), "a\nb\nc\n");
}

TEST_F(WriterTest, what_waits_is_written_when_the_writer_ends) {
  {
    LogWriter(options()).put("last", LogWriter::Kind::plain);
  }
  EXPECT_EQ(read_some(out_[0]), "last\n");
}

TEST_F(WriterTest, a_reader_that_has_stopped_costs_lines_and_no_time_and_is_told_how_many) {
  auto small = options();
  small.queue_bytes_max = 100 * 1024;
  LogWriter writer(std::move(small));
  const std::string line(1023, 'x');
  // Nobody reads: the pipe takes 64 KiB, then the writing thread is stuck in the middle of a batch.
  while (writer.put(line, LogWriter::Kind::bulk)) {
  }
  EXPECT_TRUE(writer.put(line, LogWriter::Kind::plain)) << "only access lines are dropped from half of it on";
  while (writer.put(line, LogWriter::Kind::plain)) {
  }
  EXPECT_GE(writer.bulk_drops(), 1U);
  EXPECT_GE(writer.other_drops(), 1U);
  std::string all;
  const auto is_told = [&] {
    const auto at = all.find("dropped ");
    return at != std::string::npos && all.find('\n', at) != std::string::npos;
  };
  while (!is_told()) all += read_some(out_[0]);
  EXPECT_THAT(all, ContainsRegex("\ndropped [0-9]+ [0-9]+\n"));
}

TEST_F(WriterTest, a_reader_that_has_gone_costs_lines_and_not_the_process) {
  LogWriter writer(options());
  const auto before = std::signal(SIGPIPE, SIG_DFL);  // whoever started the tests may have it ignored
  ::close(out_[0]);
  writer.put("nobody", LogWriter::Kind::plain);
  writer.put("is told", LogWriter::Kind::error);
  EXPECT_EQ(read_some(error_[0]), "is told\n");
  std::signal(SIGPIPE, before);
  out_[0] = -1;
}

TEST_F(WriterTest, an_owner_can_leave_while_the_thread_is_stuck) {
  auto writer = std::make_unique<LogWriter>(options());
  writer->put(std::string(std::size_t{200} * 1024, 'x'), LogWriter::Kind::plain);
  writer->put("more", LogWriter::Kind::error);
  writer.reset();  // returns after its patience, although nobody has read a byte
  std::size_t total = 0;
  while (total < std::size_t{200} * 1024) total += read_some(out_[0]).size();
  EXPECT_EQ(read_some(error_[0]), "more\n");
}

}  // namespace
}  // namespace sandboxd
