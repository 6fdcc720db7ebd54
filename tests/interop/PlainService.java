import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A Java service that knows nothing of Batchwire: kafka-clients with its defaults.
 *
 * <p>{@code send BROKERS TOPIC} publishes lines of standard input, each {@code message_type TAB
 * batch_id TAB JSON}, and prints {@code batch_id TAB partition}. {@code follow BROKERS TOPIC
 * BATCH_ID LAST} prints each status update of a batch as {@code name=value TAB ... TAB JSON},
 * headers first, until one whose header {@code status} is LAST.
 */
public class PlainService {
  private static final long PATIENCE_MS = 60_000;

  public static void main(String[] args) throws Exception {
    if (args[0].equals("send")) {
      send(args[1], args[2]);
    } else {
      follow(args[1], args[2], args[3], args[4]);
    }
  }

  private static void send(String brokers, String topic) throws Exception {
    Map<String, Object> settings =
        Map.of(
            "bootstrap.servers", brokers,
            "key.serializer", StringSerializer.class,
            "value.serializer", StringSerializer.class);
    try (var producer = new KafkaProducer<String, String>(settings);
        var lines = new Scanner(System.in, StandardCharsets.UTF_8)) {
      List<String> keys = new ArrayList<>();
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      while (lines.hasNextLine()) {
        String[] parts = lines.nextLine().split("\t", 3);
        var record = new ProducerRecord<>(topic, parts[1], parts[2]);
        record.headers().add("message_type", parts[0].getBytes(StandardCharsets.UTF_8));
        keys.add(parts[1]);
        sent.add(producer.send(record));
      }
      for (int i = 0; i < keys.size(); i++) {
        System.out.println(keys.get(i) + "\t" + sent.get(i).get().partition());
      }
    }
  }

  private static void follow(String brokers, String topic, String batchId, String last) {
    Map<String, Object> settings =
        Map.of(
            "bootstrap.servers", brokers,
            "group.id", "java-" + topic,
            "auto.offset.reset", "earliest",
            "key.deserializer", StringDeserializer.class,
            "value.deserializer", StringDeserializer.class);
    long until = System.currentTimeMillis() + PATIENCE_MS;
    try (var consumer = new KafkaConsumer<String, String>(settings)) {
      consumer.subscribe(List.of(topic));
      while (System.currentTimeMillis() < until) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) {
          if (!batchId.equals(record.key())
              || !"batch_status_update".equals(header(record, "message_type"))) {
            continue;
          }
          print(record);
          if (last.equals(header(record, "status"))) {
            return;
          }
        }
      }
    }
    System.exit(1);
  }

  private static void print(ConsumerRecord<String, String> record) {
    var line = new StringBuilder();
    for (Header header : record.headers()) {
      line.append(header.key()).append('=').append(text(header)).append('\t');
    }
    System.out.println(line + record.value());
  }

  private static String header(ConsumerRecord<String, String> record, String name) {
    Header header = record.headers().lastHeader(name);
    return header == null ? "" : text(header);
  }

  private static String text(Header header) {
    return new String(header.value(), StandardCharsets.UTF_8);
  }
}
