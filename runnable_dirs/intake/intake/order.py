"""What an order is. Everything that is normalised or refused is said here."""

from datetime import UTC
from decimal import Decimal
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    computed_field,
    model_validator,
)

Code = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z0-9-]+$")]
Currency = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z]{3}$")]
Email = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Utc = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class Line(BaseModel):
    """One article of an order; the price is for one piece."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    article: Code
    quantity: int = Field(gt=0)
    price: Decimal = Field(ge=0, decimal_places=2)


class Order(BaseModel):
    """An order as the programs after this one may rely on it: codes upper case, addresses lower case, times in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: Code
    customer: Email
    placed: Utc
    currency: Currency = "EUR"
    lines: list[Line] = Field(min_length=1)  # as a tuple, a bad line would also be told as a missing one
    declared_total: Decimal | None = Field(default=None, exclude=True)

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on top of a property
    @property
    def total(self) -> Decimal:
        """The sum of all lines, in the order's currency."""
        return sum((line.quantity * line.price for line in self.lines), Decimal("0.00"))

    @model_validator(mode="after")
    def _declared_total_is_right(self) -> Self:
        if self.declared_total is not None and self.declared_total != self.total:
            raise ValueError(f"declared_total is {self.declared_total}, the lines add up to {self.total}")
        return self
