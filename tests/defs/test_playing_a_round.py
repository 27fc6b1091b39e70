"""A round through Dagster, against a real practice tournament."""
def test_round(world, run_round, instance):
    import time
    t=time.time()
    n = world.open_round()
    print(n, time.time()-t)
    r = run_round(world, n)
    print(r.success, time.time()-t)
    for e in r.all_events:
        print(e.event_type_value, (e.message or "")[:150])
    print(world.submissions(n))
    assert 0
