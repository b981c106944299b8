// Metrics in the text format of Prometheus (version 0.0.4). A family is announced once, its samples follow.
#pragma once

#include "base/histogram.hpp"

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxd::orch::common {

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

class MetricsText {
 public:
  // `name` and `kind` ("counter", "gauge", "histogram") are constants; `help` is one line.
  void family(std::string_view name, std::string_view kind, std::string_view help);
  void sample(std::string_view name, const Labels& labels, std::integral auto value) {
    line(name, labels, std::to_string(value));
  }
  void one(std::string_view name, std::string_view kind, std::string_view help, std::integral auto value) {
    family(name, kind, help);
    sample(name, {}, value);
  }
  // The samples of a histogram in seconds: <name>_bucket, _sum and _count.
  void histogram(std::string_view name, const Labels& labels, const Histogram& histogram);

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void line(std::string_view name, const Labels& labels, std::string_view value);

  std::string text_;
};

// Seconds without a superfluous zero: "0.0025", "1".
[[nodiscard]] std::string seconds_text(Duration duration);

}  // namespace sandboxd::orch::common
