use super::*;
use crate::ids::PaymentId;
use crate::invoices::record::sample;
use jiff::civil::date;

fn at(day: i8) -> Timestamp {
    date(2026, 11, day).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp()
}

fn entry(id: &str, amount: i64, day: i8) -> Entry {
    Entry {
        id: PaymentId::new(id).unwrap(),
        amount: Decimal::from(amount),
        refunded: Decimal::ZERO,
        currency: None,
        at: at(day),
        on: date(2026, 11, day),
        recorded_at: at(day),
        deleted_at: None,
    }
}

fn ledger(payments: &[(&str, i64, i8)], credits: &[(&str, i64, i8)]) -> Ledger {
    let invoice = sample(1);
    let all = |of: &[(&str, i64, i8)]| of.iter().map(|(id, amount, day)| entry(id, *amount, *day)).collect();
    Ledger {
        payments: all(payments),
        credits: all(credits),
        ..Ledger::empty(&invoice.partner, &invoice.connection, invoice.id)
    }
}

#[test]
fn an_invoice_is_paid_in_full_on_the_day_of_the_payment_that_completes_it() {
    let day = |day| Some(date(2026, 11, day));
    // Payments and credits on an invoice over 150.
    for (payments, credits, wanted) in [
        (&[][..], &[][..], None),
        (&[("a", 150, 5)], &[], day(5)),
        (&[("a", 149, 5)], &[], None),
        (&[("a", 100, 5), ("b", 50, 9)], &[], day(9)),
        // Told in another order, and with more than was needed.
        (&[("b", 50, 9), ("a", 100, 5)], &[], day(9)),
        (&[("c", 150, 12), ("b", 50, 9), ("a", 100, 5)], &[], day(9)),
        // Credits leave less to be paid, whenever they were given; alone they are no payment.
        (&[("a", 100, 5)], &[("k", 50, 20)], day(5)),
        (&[], &[("k", 150, 5)], None),
    ] {
        assert_eq!(paid_in_full_on(&sample(1), &ledger(payments, credits)), wanted, "{payments:?} {credits:?}");
    }
    let mut nothing = sample(1);
    nothing.total = Decimal::ZERO;
    assert_eq!(paid_in_full_on(&nothing, &ledger(&[("a", 1, 5)], &[])), None, "nothing was to be paid");
    let mut euros = sample(1);
    euros.currency = Some("EUR".to_owned());
    let mut dollars = ledger(&[("a", 150, 5)], &[]);
    dollars.payments[0].currency = Some("USD".to_owned());
    assert_eq!(paid_in_full_on(&euros, &dollars), None, "another currency");
    assert!(matches!(&troubles(&euros, &dollars)[0], (Code::PaymentConflict, Trouble::Is(_))));
    let mut back = ledger(&[("a", 150, 5), ("b", 10, 9)], &[]);
    back.payments[0].refunded = Decimal::from(5);
    assert_eq!(paid_in_full_on(&sample(1), &back), day(9), "5 of the first were given back");
    back.payments[0].deleted_at = Some(at(10));
    assert_eq!(paid_in_full_on(&sample(1), &back), None);
}

#[test]
fn a_write_back_stands_while_autotask_does_not_have_what_is_wanted() {
    let now = at(20);
    let day = |day| Some(date(2026, 11, day));
    let paid = ledger(&[("a", 150, 5)], &[]);
    let put = |invoice: &Invoice, ledger: &Ledger, present: Option<&Writeback>| match reconsider(
        invoice, ledger, present, now,
    ) {
        Next::Put(writeback) => writeback,
        other => panic!("{other:?}"),
    };
    let first = put(&sample(1), &paid, None);
    assert_eq!((first.desired, first.next_at, first.attempts), (day(5), now, 0));
    assert_eq!(reconsider(&sample(1), &paid, Some(&first), now), Next::Keep, "the same again");
    let mut in_place = sample(1);
    in_place.paid_on = day(5);
    assert_eq!(reconsider(&in_place, &paid, Some(&first), now), Next::Drop);
    let mut theirs = sample(1);
    theirs.paid_on = day(3);
    assert_eq!(reconsider(&theirs, &paid, None, now), Next::Keep, "a date that is not ours is left alone");

    // Ours, and no longer covered: by a payment that was deleted, or a total that rose.
    let mut written = paid.clone();
    written.written_paid_on = day(5);
    let mut risen = in_place.clone();
    risen.total = Decimal::from(200);
    assert_eq!(put(&risen, &written, None).desired, None);
    written.payments[0].deleted_at = Some(now);
    assert_eq!(put(&in_place, &written, None).desired, None);
    // Not ours: nothing is cleared.
    let mut nobodys = written.clone();
    nobodys.written_paid_on = None;
    assert_eq!(reconsider(&in_place, &nobodys, None, now), Next::Keep);
    // It may have been written: then it is cleared, when that is known.
    let open = Some(Intent { paid_on: day(5), sent_by: now });
    let under_way = Writeback { open, next_at: at(21), attempts: 4, ..first.clone() };
    let clear = put(&sample(1), &nobodys, Some(&under_way));
    assert_eq!((clear.desired, clear.next_at, clear.attempts), (None, at(21), 0));
    assert_eq!(clear.open, under_way.open);
    // What was never sent needs no clearing.
    assert_eq!(reconsider(&sample(1), &nobodys, Some(&first), now), Next::Drop);
    // A voided or missing invoice is never written to.
    let mut voided = sample(1);
    voided.voided_on = day(6);
    let mut missing = sample(1);
    missing.missing_since = Some(now);
    for gone in [voided, missing] {
        assert_eq!(reconsider(&gone, &paid, None, now), Next::Keep);
        assert_eq!(reconsider(&gone, &paid, Some(&under_way), now), Next::Drop);
        let told: Vec<_> = troubles(&gone, &paid).into_iter().filter(|(_, is)| matches!(is, Trouble::Is(_))).collect();
        assert_eq!(told.len(), 1, "{told:?}");
    }
    // Somebody took our date out: the same is not written again.
    let mut disputed = paid.clone();
    disputed.disputed = day(5);
    assert_eq!(reconsider(&sample(1), &disputed, None, now), Next::Keep);
    assert!(matches!(&troubles(&sample(1), &disputed)[0], (Code::PaymentConflict, Trouble::Is(_))));
}

#[test]
fn paid_twice_and_paid_elsewhere_are_conflicts_until_they_are_put_right() {
    let day = |day| Some(date(2026, 11, day));
    let paid = ledger(&[("a", 150, 5)], &[]);
    // The ledger, Autotask's date, ours: whether it is a conflict; none: it may be.
    for (ledger, theirs, ours, wanted) in [
        (paid.clone(), None, None, Some(false)),
        (paid.clone(), day(5), day(5), Some(false)),
        (paid.clone(), day(5), None, Some(false)),
        (paid.clone(), day(4), None, Some(true)),
        (ledger(&[("a", 50, 5)], &[]), day(4), None, Some(true)),
        (ledger(&[("a", 150, 5), ("b", 150, 6)], &[]), None, None, Some(true)),
        (ledger(&[("a", 150, 5)], &[("k", 10, 6)]), None, None, Some(true)),
        (ledger(&[], &[]), day(4), None, None),
        (ledger(&[], &[]), None, None, Some(false)),
    ] {
        let mut invoice = sample(1);
        invoice.paid_on = theirs;
        let ledger = Ledger { written_paid_on: ours, ..ledger };
        let is = match &troubles(&invoice, &ledger)[0].1 {
            Trouble::Is(_) => Some(true),
            Trouble::Not => Some(false),
            Trouble::May => None,
        };
        assert_eq!(is, wanted, "{ledger:?} {theirs:?}");
    }
}
