// A fleet at a glance: all instances of a job together, by service port. Names are level:metric:operations.
//
// Only labels that tell one host, or one pod of the exporter, from another are dropped: cluster, region and every other label
// of a target stay. Sockets of pods are added up by their namespace.
{
  name: 'netstat-fleet',
  rules: [
    {
      record: 'job_port_state:netstat_sockets:sum',
      expr: 'sum without (instance, node, netns, pod, family) (netstat_sockets{%(selector)s})',
    },
    {
      record: 'job_port_state:netstat_stuck_sockets:sum',
      expr: 'sum without (instance, node, netns, pod, family) (netstat_stuck_sockets{%(selector)s})',
    },
    {
      record: 'job_port_state:netstat_oldest_socket_age_seconds:max',
      expr: 'max without (instance, node, netns, pod, family) (netstat_oldest_socket_age_seconds{%(selector)s})',
    },
    // Prometheus renames our label to exported_owner where the target has a label owner of its own.
    {
      record: 'job_owner_state:netstat_owner_sockets:sum',
      expr: |||
        sum without (instance, node, netns, pod, port, port_name, exported_owner) (
          label_replace(netstat_owner_sockets{%(selector)s}, "owner", "$1", "exported_owner", "(.+)")
        )
      |||,
    },
    // The fullest of all: an average would hide the one host that fails.
    {
      record: 'job_port:netstat_accept_queue_utilization_ratio:max',
      expr: 'max without (instance, node, netns, pod) (instance_port:netstat_accept_queue_utilization_ratio:max{%(selector)s})',
    },
    {
      record: 'job_port:netstat_ephemeral_ports_busiest_destination:ratio_max',
      expr: 'max without (instance, node, netns, pod) (instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(selector)s})',
    },
    {
      record: 'job_protocol:netstat_ephemeral_ports_bound:ratio_max',
      expr: 'max without (instance, node, netns, pod) (instance_protocol:netstat_ephemeral_ports_bound:ratio{%(selector)s})',
    },
    // As above, by our owner.
    {
      record: 'job_owner:netstat_owner_open_files:ratio_max',
      expr: |||
        max without (instance, node, exported_owner) (
          label_replace(instance_owner:netstat_owner_open_files:ratio{%(selector)s}, "owner", "$1", "exported_owner", "(.+)")
        )
      |||,
    },
    {
      record: 'job:netstat_time_wait_buckets:ratio_max',
      expr: 'max without (instance, node, netns, pod) (instance:netstat_time_wait_buckets:ratio{%(selector)s})',
    },
    {
      record: 'job:netstat_orphaned_sockets:ratio_max',
      expr: 'max without (instance, node, netns, pod) (instance:netstat_orphaned_sockets:ratio{%(selector)s})',
    },
    {
      record: 'job:netstat_tcp_memory_bytes:ratio_max',
      expr: 'max without (instance, node, netns, pod) (instance:netstat_tcp_memory_bytes:ratio{%(selector)s})',
    },
    {
      record: 'job:netstat_time_wait_overflows:rate5m',
      expr: 'sum without (instance, node, netns, pod) (instance:netstat_time_wait_overflows:rate5m{%(selector)s})',
    },
    {
      record: 'job:netstat_listen_overflows:rate5m',
      expr: 'sum without (instance, node, netns, pod) (instance:netstat_listen_overflows:rate5m{%(selector)s})',
    },
    {
      record: 'job_port:netstat_listener_drops:rate5m',
      expr: 'sum without (instance, node, netns, pod) (instance_port:netstat_listener_drops:rate5m{%(selector)s})',
    },
    {
      record: 'job:netstat_memory_aborts:rate5m',
      expr: 'sum without (instance, node, netns, pod) (instance:netstat_memory_aborts:rate5m{%(selector)s})',
    },
    {
      record: 'job_port:netstat_udp_drops:rate5m',
      expr: 'sum without (instance, node, netns, pod) (instance_port:netstat_udp_drops:rate5m{%(selector)s})',
    },
  ],
}
