#include "store/read_rows.hpp"

#include "codec/record.hpp"

#include <optional>
#include <utility>

namespace sandboxd::store {
namespace {

namespace record = codec::record;

// Goes on past what cannot be read: that keeps its default, and the first of it is told.
class Damage {
 public:
  explicit Damage(std::string kind_and_id) : what_(std::move(kind_and_id)) {}

  template <class T>
  void take(Result<T> read, T& into) {
    if (read) {
      into = *std::move(read);
    } else {
      add(read.error().message());
    }
  }
  template <class T>
  void take_word(const char* column, const std::string& word, std::optional<T> read, T& into) {
    if (read) {
      into = *read;
    } else {
      add("record of " + what_ + ": " + column + ": unknown value \"" + word + "\"");
    }
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void add(const std::string& problem) {
    if (text_.empty()) text_ = problem;
  }

  std::string what_;
  std::string text_;
};

void make_stand_in(model::Sandbox& sandbox, const std::string& damage) {
  using model::Phase;
  const bool is_ending = sandbox.phase == Phase::deleting || sandbox.phase == Phase::stopping;
  if (!is_ending) sandbox.phase = Phase::failed;
  sandbox.last_error = "the record is damaged and was kept aside (" + damage + "); what node \"" + sandbox.node.str() +
                       "\" has of this sandbox is left alone until it is deleted";
}

}  // namespace

const std::string_view kLoadSandboxes = R"sql(
SELECT id, uid, name, owner, dialect, desired, phase, memory_kept, node, ip, external, last_error, created_at_ns,
  updated_at_ns, expires_at_ns, running_since_ns, revision, spec, containers, ports, reasons, on_expiry,
  ended_at_ns
FROM sandboxes ORDER BY id
)sql";

const std::string_view kLoadNodes = R"sql(
SELECT id, ip, port, labels, unschedulable, state, source, last_error, boot_id, success_streak, failure_streak,
  resources, external, created_at_ns, updated_at_ns, last_heartbeat_ns, revision, external_id, external_created_at_ns,
  external_updated_at_ns, removing
FROM nodes ORDER BY id
)sql";

model::Sandbox read_sandbox(const Row& row, std::string& damage) {
  model::Sandbox out;
  const std::string id = row.text(0);
  Damage problems("sandbox " + id);
  out.id = SandboxId(id);
  out.uid = row.text(1);
  out.name = row.text(2);
  out.owner = row.text(3);
  out.dialect = row.text(4);
  problems.take_word("desired", row.text(5), model::parse_desired(row.text(5)), out.desired);
  problems.take_word("phase", row.text(6), model::parse_phase(row.text(6)), out.phase);
  out.memory_kept = row.boolean(7);
  out.node = NodeId(row.text(8));
  out.ip = row.text(9);
  out.external = row.text(10);
  out.last_error = row.text(11);
  out.created_at = row.time(12);
  out.updated_at = row.time(13);
  out.expires_at = row.optional_time(14);
  out.running_since = row.optional_time(15);
  out.revision = row.integer(16);
  out.ended_at = row.optional_time(22);
  out.spec.on_expiry = record::parse_on_expiry(row.text(21)).value_or(model::OnExpiry::remove);
  problems.take(record::decode_spec(id, row.text(17)), out.spec);
  problems.take(record::decode_containers(id, row.text(18)), out.containers);
  problems.take(record::decode_ports(id, row.text(19)), out.ports);
  problems.take(record::decode_texts(id, row.text(20)), out.reasons);
  damage = problems.text();
  if (!damage.empty()) make_stand_in(out, damage);
  return out;
}

model::Node read_node(const Row& row, std::string& damage) {
  model::Node out;
  const std::string id = row.text(0);
  Damage problems("node " + id);
  out.id = NodeId(id);
  out.address = {row.text(1), static_cast<int>(row.integer(2))};
  problems.take(record::decode_labels(id, row.text(3)), out.labels);
  out.unschedulable = row.boolean(4);
  problems.take_word("state", row.text(5), model::parse_node_state(row.text(5)), out.state);
  out.source = row.text(6);
  out.last_error = row.text(7);
  out.boot_id = row.text(8);
  out.success_streak = row.integer(9);
  out.failure_streak = row.integer(10);
  problems.take(record::decode_resources(id, row.text(11)), out.resources);
  out.external = row.text(12);
  out.created_at = row.time(13);
  out.updated_at = row.time(14);
  out.last_heartbeat = row.optional_time(15);
  out.revision = row.integer(16);
  out.external_id = row.text(17);
  out.external_created_at = row.optional_time(18);
  out.external_updated_at = row.optional_time(19);
  out.removing = row.boolean(20);
  damage = problems.text();
  if (damage.empty()) return out;
  out.unschedulable = true;
  out.last_error = "the record is damaged and was kept aside (" + damage + "); uncordon the node to use it again";
  return out;
}

}  // namespace sandboxd::store
