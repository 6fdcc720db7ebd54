"""The three examples of the specification, as messages; the published documents show them."""

from datetime import UTC, datetime

from batchwire.domain.lifecycle import Operation, Phase
from batchwire.messages.message import MessageType
from batchwire.messages.requests import (
    AnyBatchMessage,
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)

SAMPLES: dict[MessageType, AnyBatchMessage] = {
    MessageType.BATCH_REQUEST: BatchMessageRequest(
        request_id="req-12345",
        batch_id="batch-67890",
        user_id="user-123",
        batch_type="sms",
        message_type="template",
        recipients=("+1234567890", "+0987654321"),
        template="Hello {{name}}, your code is {{code}}",
        params={"name": "John", "code": "123456"},
        priority=5,
        max_retries=3,
        timeout=300,
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
    ),
    MessageType.BATCH_STATUS_UPDATE: BatchStatusUpdateRequest(
        request_id="req-12345",
        batch_id="batch-67890",
        status="delivery_running",
        current_phase=Phase.DELIVERY,
        progress=0.75,
        processed=150,
        success=140,
        failed=10,
        updated_at=datetime(2024, 1, 1, 0, 5, tzinfo=UTC),
    ),
    MessageType.BATCH_OPERATION: BatchOperationRequest(
        request_id="req-12345",
        batch_id="batch-67890",
        operation=Operation.PAUSE,
        phase=Phase.DELIVERY,
        reason="Manual pause by operator",
        operator_id="admin-123",
        requested_at=datetime(2024, 1, 1, 0, 3, tzinfo=UTC),
    ),
}
