import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.LocalDate;
import java.time.YearMonth;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The detector's drain as a Kafka Streams program, lean: one processor, two stores, blocks as they come.
 *
 * <p>orders: organization, order -> version and what it adds to its account. accounts: organization, account -> its combos and, per
 * combo and day, net revenue and the number of positive lines. An order sets its entry: what the older version added is taken away
 * first. A run goes over the accounts of its organization. Both stores are cached and logged, as by default.
 *
 * <p>java Drain BROKERS GROUP FOLDER CACHE_MB; says `ready` when its partitions are there, closes on SIGTERM.
 */
public final class Drain {
    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Event {
        public String type;
        public List<Order> orders;
        public String organization;
        public String as_of;
        public Settings settings;
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Order {
        public String organization;
        public String order;
        public String account;
        public String counts_on;
        public long revision;
        public String content;
        public boolean cancelled;
        public List<Line> lines;
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Line {
        public String od;
        public String grade;
        public long revenue_cents;
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Settings {
        public Dormant dormant;
        public Lapse lapse;
        public CherryPicking cherry_picking;
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Dormant {
        public long gap_days;
        public long minimum_lifetime_revenue_cents;
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Lapse {
        public long lapse_days;
        public long history_days;
        public long minimum_revenue_cents;
        public int minimum_months;
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class CherryPicking {
        public long window_days;
        public long minimum_revenue_cents;
        public String minimum_od;
        public long share_percent;
    }

    /** One cell: a combo on a day. */
    private static final class Cell {
        int combo;
        int day;
        long cents;
        int positive;
    }

    /** An account, decoded. */
    private static final class Account {
        final List<String> combos = new ArrayList<>();
        final List<Cell> cells = new ArrayList<>();

        static Account read(byte[] bytes) {
            Account account = new Account();
            if (bytes == null) {
                return account;
            }
            ByteBuffer in = ByteBuffer.wrap(bytes);
            int combos = in.getShort();
            for (int i = 0; i < combos; i++) {
                byte[] text = new byte[in.get()];
                in.get(text);
                account.combos.add(new String(text, StandardCharsets.UTF_8));
            }
            while (in.hasRemaining()) {
                Cell cell = new Cell();
                cell.combo = in.getShort();
                cell.day = in.getInt();
                cell.cents = in.getLong();
                cell.positive = in.getShort();
                account.cells.add(cell);
            }
            return account;
        }

        byte[] write() {
            int size = 2 + 16 * cells.size();
            List<byte[]> texts = new ArrayList<>(combos.size());
            for (String combo : combos) {
                byte[] text = combo.getBytes(StandardCharsets.UTF_8);
                texts.add(text);
                size += 1 + text.length;
            }
            ByteBuffer out = ByteBuffer.allocate(size);
            out.putShort((short) texts.size());
            for (byte[] text : texts) {
                out.put((byte) text.length).put(text);
            }
            for (Cell cell : cells) {
                out.putShort((short) cell.combo).putInt(cell.day).putLong(cell.cents).putShort((short) cell.positive);
            }
            return out.array();
        }

        int combo(String name) {
            int found = combos.indexOf(name);
            if (found < 0) {
                combos.add(name);
                found = combos.size() - 1;
            }
            return found;
        }

        void add(int combo, int day, long cents, int positive) {
            for (int i = cells.size() - 1; i >= 0; i--) {
                Cell cell = cells.get(i);
                if (cell.combo == combo && cell.day == day) {
                    cell.cents += cents;
                    cell.positive += positive;
                    return;
                }
            }
            Cell cell = new Cell();
            cell.combo = combo;
            cell.day = day;
            cell.cents = cents;
            cell.positive = positive;
            cells.add(cell);
        }
    }

    private static final class Detector implements Processor<byte[], byte[], byte[], byte[]> {
        private final ObjectReader reader = new ObjectMapper().readerFor(Event.class);
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<Bytes, byte[]> orders;
        private KeyValueStore<Bytes, byte[]> accounts;

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.orders = context.getStateStore("orders");
            this.accounts = context.getStateStore("accounts");
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            Event event;
            try {
                event = reader.readValue(record.value());
            } catch (java.io.IOException error) {
                throw new IllegalStateException(error);
            }
            if (event.type.equals("RunRequested")) {
                run(event, record.timestamp());
                return;
            }
            for (Order order : event.orders) {
                fold(order);
            }
        }

        private void fold(Order order) {
            Bytes key = key(order.organization, order.order);
            byte[] content = order.content.substring(0, 32).getBytes(StandardCharsets.US_ASCII);
            byte[] known = orders.get(key);
            if (known != null) {
                long revision = ByteBuffer.wrap(known).getLong();
                if (order.revision < revision
                        || order.revision == revision && Arrays.compare(content, Arrays.copyOfRange(known, 8, 40)) <= 0) {
                    return;
                }
            }
            Bytes place = key(order.organization, order.account);
            Account account = Account.read(accounts.get(place));
            if (known != null) {
                ByteBuffer old = ByteBuffer.wrap(known, 40, known.length - 40);
                int day = old.getInt();
                while (old.hasRemaining()) {
                    account.add(old.getShort(), day, -old.getLong(), -old.getShort());
                }
            }
            int day = (int) LocalDate.parse(order.counts_on).toEpochDay();
            List<Line> lines = order.cancelled ? List.of() : order.lines;
            ByteBuffer entry = ByteBuffer.allocate(44 + 12 * lines.size());
            entry.putLong(order.revision).put(content).putInt(day);
            for (Line line : lines) {
                int combo = account.combo(line.od + "|" + line.grade);
                int positive = line.revenue_cents > 0 ? 1 : 0;
                account.add(combo, day, line.revenue_cents, positive);
                entry.putShort((short) combo).putLong(line.revenue_cents).putShort((short) positive);
            }
            orders.put(key, entry.array());
            accounts.put(place, account.write());
        }

        private void run(Event event, long timestamp) {
            Settings of = event.settings;
            int on = (int) LocalDate.parse(event.as_of).toEpochDay();
            double leastOd = Double.parseDouble(of.cherry_picking.minimum_od);
            byte[] prefix = (event.organization + "\0").getBytes(StandardCharsets.UTF_8);
            byte[] end = (event.organization + "\1").getBytes(StandardCharsets.UTF_8);
            try (KeyValueIterator<Bytes, byte[]> all = accounts.range(Bytes.wrap(prefix), Bytes.wrap(end))) {
                while (all.hasNext()) {
                    var row = all.next();
                    byte[] key = row.key.get();
                    String name = new String(key, prefix.length, key.length - prefix.length, StandardCharsets.UTF_8);
                    classify(event.organization, name, Account.read(row.value), of, on, leastOd, timestamp);
                }
            }
            forward("{\"type\":\"RunCompleted\",\"organization\":\"" + event.organization + "\"}", timestamp);
            context.commit();
        }

        private void classify(
                String organization, String name, Account account, Settings of, int on, double leastOd, long timestamp) {
            int last = Integer.MIN_VALUE;
            long lifetime = 0;
            long spend = 0;
            long specialty = 0;
            int combos = account.combos.size();
            int[] lastOf = new int[combos];
            Arrays.fill(lastOf, Integer.MIN_VALUE);
            long[] earned = new long[combos];
            Map<Integer, Set<Integer>> months = new HashMap<>();
            for (Cell cell : account.cells) {
                if (cell.day > on) {
                    continue;
                }
                lifetime += cell.cents;
                if (cell.positive > 0) {
                    last = Math.max(last, cell.day);
                    lastOf[cell.combo] = Math.max(lastOf[cell.combo], cell.day);
                }
                if (cell.day > on - of.lapse.history_days) {
                    earned[cell.combo] += cell.cents;
                    if (cell.positive > 0) {
                        YearMonth month = YearMonth.from(LocalDate.ofEpochDay(cell.day));
                        months.computeIfAbsent(cell.combo, x -> new HashSet<>()).add(month.getYear() * 12 + month.getMonthValue());
                    }
                }
                if (cell.day > on - of.cherry_picking.window_days) {
                    spend += cell.cents;
                    String combo = account.combos.get(cell.combo);
                    if (Double.parseDouble(combo.substring(0, combo.indexOf('|'))) >= leastOd) {
                        specialty += cell.cents;
                    }
                }
            }
            if (last == Integer.MIN_VALUE) {
                return;
            }
            boolean silent = on - last >= of.dormant.gap_days;
            if (silent && lifetime >= of.dormant.minimum_lifetime_revenue_cents) {
                long year = 0;
                for (Cell cell : account.cells) {
                    if (cell.day > last - 365 && cell.day <= last) {
                        year += cell.cents;
                    }
                }
                String figures = "\"days_inactive\":" + (on - last) + ",\"lifetime_revenue_cents\":" + lifetime
                        + ",\"last_year_revenue_cents\":" + year;
                signal(organization, name, "dormant", "null", figures, timestamp);
            }
            for (int i = 0; i < combos && !silent; i++) {
                Set<Integer> active = months.getOrDefault(i, Set.of());
                if (lastOf[i] != Integer.MIN_VALUE && on - lastOf[i] >= of.lapse.lapse_days
                        && earned[i] >= of.lapse.minimum_revenue_cents && active.size() >= of.lapse.minimum_months) {
                    String[] combo = account.combos.get(i).split("\\|");
                    String figures = "\"days_silent\":" + (on - lastOf[i]) + ",\"lapsed_revenue_cents\":" + earned[i]
                            + ",\"distinct_months\":" + active.size();
                    signal(organization, name, "lapse", "{\"od\":\"" + combo[0] + "\",\"grade\":\"" + combo[1] + "\"}", figures,
                            timestamp);
                }
            }
            if (spend > 0 && spend >= of.cherry_picking.minimum_revenue_cents
                    && specialty * 100 > spend * of.cherry_picking.share_percent) {
                String figures = "\"specialty_revenue_cents\":" + specialty + ",\"total_revenue_cents\":" + spend;
                signal(organization, name, "cherry_picking", "null", figures, timestamp);
            }
        }

        private void signal(String organization, String account, String type, String combo, String figures, long timestamp) {
            forward("{\"type\":\"SignalOpened\",\"organization\":\"" + organization + "\",\"account\":\"" + account
                    + "\",\"signal_type\":\"" + type + "\",\"combo\":" + combo + ",\"figures\":{" + figures + "}}", timestamp);
        }

        private void forward(String text, long timestamp) {
            context.forward(new Record<>(null, text.getBytes(StandardCharsets.UTF_8), timestamp));
        }

        private static Bytes key(String organization, String id) {
            return Bytes.wrap((organization + "\0" + id).getBytes(StandardCharsets.UTF_8));
        }
    }

    public static void main(String[] words) throws InterruptedException {
        Properties options = new Properties();
        options.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, words[0]);
        options.put(StreamsConfig.APPLICATION_ID_CONFIG, words[1]);
        options.put(StreamsConfig.STATE_DIR_CONFIG, words[2]);
        options.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, Long.parseLong(words[3]) * 1024 * 1024);
        options.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        options.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        options.put(StreamsConfig.producerPrefix("linger.ms"), 100);
        options.put(StreamsConfig.producerPrefix("batch.size"), 262_144);
        Topology topology = new Topology();
        topology.addSource("blocks", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), "orders");
        topology.addProcessor("detector", Detector::new, "blocks");
        for (String name : List.of("orders", "accounts")) {
            topology.addStateStore(
                    Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), Serdes.Bytes(), Serdes.ByteArray())
                            .withCachingEnabled(),
                    "detector");
        }
        topology.addSink("signals", "signals", Serdes.ByteArray().serializer(), Serdes.ByteArray().serializer(), "detector");
        KafkaStreams streams = new KafkaStreams(topology, options);
        CountDownLatch ended = new CountDownLatch(1);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
                System.out.println("ready");
            } else if (now == KafkaStreams.State.ERROR) {
                System.exit(1);
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(Duration.ofSeconds(60));
            ended.countDown();
        }));
        streams.start();
        ended.await();
    }

    private Drain() {}
}
