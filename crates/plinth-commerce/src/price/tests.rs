//! Examples, and what holds for all of them.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed};

use super::*;

fn currency() -> Currency {
    "EUR".parse().unwrap()
}

fn euros(amount: i64) -> Money {
    Money::new(amount, currency())
}

fn item(unit: i64, quantity: i64, tax: TaxRate) -> Item {
    Item {
        product: Uuid::nil(),
        price: Uuid::nil(),
        name: "Tea".to_owned(),
        quantity,
        unit: euros(unit),
        tax,
    }
}

const GROSS: TaxRate = TaxRate {
    ppm: 190_000,
    included: true,
};
const NET: TaxRate = TaxRate {
    ppm: 190_000,
    included: false,
};
const FREE: TaxRate = TaxRate {
    ppm: 0,
    included: false,
};

fn percent(code: &str, ppm: i64) -> Discount {
    Discount::Percent {
        code: code.to_owned(),
        ppm,
    }
}

fn fixed(code: &str, amount: i64) -> Discount {
    Discount::Fixed {
        code: code.to_owned(),
        amount: euros(amount),
    }
}

/// (subtotal, discount, tax, total)
fn sums(items: Vec<Item>, discounts: &[Discount]) -> (i64, i64, i64, i64) {
    let quote = quote(currency(), items, discounts).unwrap();
    (quote.subtotal, quote.discount, quote.tax, quote.total)
}

fn refused(items: Vec<Item>, discounts: &[Discount]) -> PriceError {
    quote(currency(), items, discounts).unwrap_err()
}

#[test]
fn tax_is_added_or_found_within() {
    assert_eq!(sums(vec![item(1000, 2, NET)], &[]), (2000, 0, 380, 2380));
    assert_eq!(sums(vec![item(1190, 2, GROSS)], &[]), (2380, 0, 380, 2380));
    assert_eq!(sums(vec![item(1000, 2, FREE)], &[]), (2000, 0, 0, 2000));
}

#[test]
fn discounts_come_before_tax_and_percentages_before_amounts() {
    let items = || vec![item(10_000, 1, NET)];
    let codes = [fixed("A", 2_000), percent("B", 100_000)];
    assert_eq!(sums(items(), &codes), (10_000, 3_000, 1_330, 8_330));
    let codes = [percent("B", 100_000), fixed("A", 2_000)];
    assert_eq!(sums(items(), &codes), (10_000, 3_000, 1_330, 8_330));
}

#[test]
fn a_fixed_discount_is_spread_by_largest_remainder() {
    let items = vec![item(100, 1, FREE), item(100, 1, FREE), item(100, 1, FREE)];
    let quote = quote(currency(), items, &[fixed("A", 100)]).unwrap();
    let parts: Vec<i64> = quote.lines.iter().map(|line| line.discount).collect();
    assert_eq!(parts, [34, 33, 33]);
    assert_eq!(quote.total, 200);
}

#[test]
fn a_discount_that_is_larger_than_the_order_leaves_nothing_to_pay() {
    let items = vec![item(100, 1, NET), item(0, 3, NET)];
    assert_eq!(sums(items, &[fixed("A", 5_000)]), (100, 100, 0, 0));
    assert_eq!(
        sums(vec![item(0, 1, NET)], &[fixed("A", 5), percent("B", 1)]),
        (0, 0, 0, 0)
    );
}

#[test]
fn what_cannot_be_priced_is_refused() {
    assert_eq!(refused(vec![], &[]), PriceError::Empty);
    for quantity in [0, -1, i64::MIN] {
        let error = refused(vec![item(1, quantity, FREE)], &[]);
        let product = Uuid::nil();
        assert_eq!(error, PriceError::Quantity { product, quantity });
    }
    assert_eq!(
        refused(vec![item(i64::MAX, 2, FREE)], &[]),
        PriceError::Overflow
    );
    assert_eq!(
        refused(vec![item(i64::MAX, 1, NET)], &[]),
        PriceError::Overflow
    );
    let two = vec![item(i64::MAX, 1, FREE), item(1, 1, FREE)];
    assert_eq!(refused(two, &[]), PriceError::Overflow);
    let product = Uuid::nil();
    assert_eq!(
        refused(vec![item(-1, 1, FREE)], &[]),
        PriceError::NegativePrice { product }
    );
    for ppm in [-1, MAX_TAX_PPM + 1] {
        let tax = TaxRate {
            ppm,
            included: true,
        };
        assert_eq!(
            refused(vec![item(1, 1, tax)], &[]),
            PriceError::TaxRate { product, ppm }
        );
    }
}

#[test]
fn discounts_that_are_none_are_refused() {
    let code = "A".to_owned();
    for bad in [
        percent("A", -1),
        percent("A", WHOLE_PPM + 1),
        fixed("A", -1),
    ] {
        let error = refused(vec![item(1, 1, FREE)], &[bad]);
        assert_eq!(error, PriceError::Discount { code: code.clone() });
    }
    let twice = [percent("A", 1), fixed("A", 1)];
    assert_eq!(
        refused(vec![item(1, 1, FREE)], &twice),
        PriceError::DiscountTwice { code }
    );
}

#[test]
fn currencies_do_not_mix() {
    let yen: Currency = "JPY".parse().unwrap();
    let mixed = PriceError::MixedCurrency {
        wanted: currency(),
        found: yen,
    };
    let mut foreign = item(1, 1, FREE);
    foreign.unit = Money::new(1, yen);
    assert_eq!(refused(vec![item(1, 1, FREE), foreign], &[]), mixed);
    let discount = Discount::Fixed {
        code: "A".to_owned(),
        amount: Money::new(1, yen),
    };
    assert_eq!(refused(vec![item(1, 1, FREE)], &[discount]), mixed);
}

/// The same cases every time, so that a failure is everybody's.
fn config() -> Config {
    Config {
        cases: 2_000,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(20_240_229),
        failure_persistence: None,
        ..Config::default()
    }
}

fn any_items() -> impl Strategy<Value = Vec<Item>> {
    let unit = prop_oneof![0..100_i64, 0..1_000_000_000_i64];
    let item = (unit, 1..1000_i64, 0..=MAX_TAX_PPM, any::<bool>());
    let item = item.prop_map(|(unit, quantity, ppm, included)| {
        super::tests::item(unit, quantity, TaxRate { ppm, included })
    });
    prop::collection::vec(item, 1..20)
}

fn any_discounts() -> impl Strategy<Value = Vec<Discount>> {
    let one = (any::<bool>(), 0..=WHOLE_PPM, 0..10_000_000_i64);
    prop::collection::vec(one, 0..4).prop_map(|all| {
        let named = all.into_iter().enumerate();
        named
            .map(|(place, (is_percent, ppm, amount))| match is_percent {
                true => percent(&place.to_string(), ppm),
                false => fixed(&place.to_string(), amount),
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn sums_are_exact_and_never_negative(items in any_items(), discounts in any_discounts()) {
        let quote = quote(currency(), items.clone(), &discounts).unwrap();
        let sum = |part: fn(&Line) -> i64| quote.lines.iter().map(part).sum::<i64>();
        prop_assert_eq!(quote.lines.len(), items.len());
        prop_assert_eq!(quote.subtotal, sum(|line| line.item.unit.amount * line.item.quantity));
        prop_assert_eq!(quote.discount, sum(|line| line.discount));
        prop_assert_eq!(quote.tax, sum(|line| line.tax));
        prop_assert_eq!(quote.total, sum(|line| line.total));
        let added = sum(|line| if line.item.tax.included { 0 } else { line.tax });
        prop_assert_eq!(quote.total, quote.subtotal - quote.discount + added);
        for line in &quote.lines {
            let cost = line.item.unit.amount * line.item.quantity;
            prop_assert!((0..=cost).contains(&line.discount));
            prop_assert!((0..=line.total).contains(&line.tax));
        }
        prop_assert!((0..=quote.total).contains(&quote.tax));
    }

    #[test]
    fn the_order_of_codes_changes_nothing(items in any_items(), discounts in any_discounts()) {
        let mut backwards = discounts.clone();
        backwards.reverse();
        prop_assert_eq!(
            quote(currency(), items.clone(), &discounts),
            quote(currency(), items, &backwards)
        );
    }

    #[test]
    fn no_amounts_panic(unit in any::<i64>(), quantity in any::<i64>(), ppm in any::<i64>(), off in any::<i64>()) {
        let tax = TaxRate { ppm: ppm.rem_euclid(MAX_TAX_PPM), included: ppm < 0 };
        let _ = quote(currency(), vec![item(unit, quantity, tax)], &[fixed("A", off), percent("B", ppm)]);
        let huge = vec![item(unit.saturating_abs(), 1, tax), item(unit.saturating_abs() / 2, 1, tax)];
        let _ = quote(currency(), huge, &[fixed("A", off.saturating_abs())]);
    }
}
