// One host at a glance, all ports, owners and network namespaces together: what the dashboards list a thousand hosts by.
{
  name: 'netstat-hosts',
  rules: [
    // Every target that is, or was, a netstat-exporter: others of a shared job do not count. What is down has no build_info,
    // so a target is remembered by the series itself, for as long as Prometheus knows it.
    {
      record: 'instance:up:exporters',
      expr: |||
        up{%(selector)s} and ignoring (version, revision, python_version, implementation) netstat_exporter_build_info{%(selector)s}
          or
        up{%(selector)s} and instance:up:exporters{%(selector)s}
      |||,
    },
    {
      record: 'instance:netstat_exporter_collector_success:min',
      expr: 'min without (collector) (netstat_exporter_collector_success{%(selector)s})',
    },
    {
      record: 'instance:netstat_sockets:sum',
      expr: |||
        sum without (protocol, direction, port, netns, namespace, pod) (
          instance_port_state:netstat_sockets:sum{%(selector)s, state="established"}
        )
      |||,
    },
    {
      record: 'instance:netstat_stuck_sockets:sum',
      expr: 'sum without (protocol, direction, port, netns, namespace, pod) (instance_port_state:netstat_stuck_sockets:sum{%(selector)s})',
    },
    {
      record: 'instance:netstat_oldest_socket_age_seconds:max',
      expr: |||
        max without (protocol, family, direction, port, port_name, netns, namespace, pod) (
          netstat_oldest_socket_age_seconds{%(selector)s}
        )
      |||,
    },
    {
      record: 'instance:netstat_unanswered_sockets:sum',
      expr: 'sum without (protocol, direction, port, netns, namespace, pod) (instance_port:netstat_unanswered_sockets:sum{%(selector)s})',
    },
    {
      record: 'instance:netstat_listener_drops:rate5m',
      expr: 'sum without (protocol, port, netns, namespace, pod) (instance_port:netstat_listener_drops:rate5m{%(selector)s})',
    },
    {
      record: 'instance:netstat_udp_drops:rate5m',
      expr: 'sum without (protocol, port, netns, namespace, pod) (instance_port:netstat_udp_drops:rate5m{%(selector)s})',
    },
    // What is bounded, as a share of its limit, the fullest of each kind. Ports that TCP binds are left out: connections
    // without bind() share them.
    {
      record: 'instance_resource:netstat_used:ratio',
      expr: |||
        label_replace(
          max without (owner, exported_owner, netns, namespace, pod) (instance_owner:netstat_owner_open_files:ratio{%(selector)s}),
          "resource", "open files", "", ""
        )
          or
        label_replace(
          max without (protocol, port, netns, namespace, pod) (instance_port:netstat_accept_queue_utilization_ratio:max{%(selector)s}),
          "resource", "accept queue", "", ""
        )
          or
        label_replace(
          max without (protocol, port, netns, namespace, pod) (
            instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(selector)s}
          ),
          "resource", "ports to one destination", "", ""
        )
          or
        label_replace(
          max without (protocol, netns, namespace, pod) (
            instance_protocol:netstat_ephemeral_ports_bound:ratio{%(selector)s, protocol="udp"}
          ),
          "resource", "ports of UDP", "", ""
        )
          or
        label_replace(
          max without (netns, namespace, pod) (instance:netstat_time_wait_buckets:ratio{%(selector)s}),
          "resource", "TIME_WAIT table", "", ""
        )
          or
        label_replace(
          max without (netns, namespace, pod) (instance:netstat_orphaned_sockets:ratio{%(selector)s}),
          "resource", "orphaned connections", "", ""
        )
          or
        label_replace(
          max without (netns, namespace, pod) (instance:netstat_tcp_memory_bytes:ratio{%(selector)s}),
          "resource", "TCP memory", "", ""
        )
      |||,
    },
  ],
}
