"""Apache Kafka, by librdkafka (confluent-kafka): the extra ``batchwire[kafka]``."""
